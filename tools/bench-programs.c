// Three small programs that tools/bench compiles, each by defining its name.

#if defined TARGET

// What the measured launchers launch.
int main(void) { return 0; }

#elif defined SHIM

#include <unistd.h>

// The least that a launcher can do: executes its first argument with the ones after it.
int main(int argc, char **argv, char **environment) {
  (void)argc;
  execve(argv[1], argv + 1, environment);
  return 127;
}

#elif defined PEAK

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// usage: peak FILE PROGRAM [ARGUMENT...]
//
// Runs the program and writes its peak resident memory in KiB to FILE. Linux carries that peak over execve,
// beginning with what the process that forked had; so a large one, such as a Python interpreter, can't
// measure a small one. This one has a few hundred KiB.
int main(int argc, char **argv, char **environment) {
  (void)argc;
  pid_t child = vfork();
  if (child < 0) return 125;
  if (child == 0) {
    execve(argv[2], argv + 2, environment);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (wait4(child, &status, 0, &usage) != child) return 125;
  FILE *file = fopen(argv[1], "w");
  if (!file) return 125;
  fprintf(file, "%ld\n", usage.ru_maxrss);
  if (fclose(file) != 0) return 125;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#else
#error "define TARGET, SHIM or PEAK"
#endif
