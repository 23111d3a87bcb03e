#!/bin/sh
# Runs a command in a root directory. roots.py starts this script in a mount and a PID namespace of
# its own, so everything that it mounts, and every process, ends with it.
#
# usage: enter.sh PYTHON USER DIRECTORY [MODE SOURCE TARGET]... -- COMMAND [ARGUMENT]...
#
# The working directory holds `root`, which stays as it is, and `changes`, which takes what the
# command writes. PYTHON is an interpreter of this machine. USER is `root` or a numeric user id.
# DIRECTORY is the command's working directory.
# MODE is `ro`, `rw` or `rbind`; SOURCE is a path of this machine, TARGET one in the root.
set -eu

here=$(dirname "$0")
python=$1
user=$2
directory=$3
shift 3

mkdir -p changes/upper changes/work
mount -t overlay overlay -o lowerdir=root,upperdir=changes/upper,workdir=changes/work root

mkdir -p root/proc root/dev root/sys root/tmp
mount -t proc proc root/proc
mount -t tmpfs -o mode=0755,nosuid tmpfs root/dev
for device in null zero full random urandom tty; do
  touch "root/dev/$device"
  mount --bind "/dev/$device" "root/dev/$device"
done
mkdir root/dev/shm root/dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
  ln -s "/proc/self/${link#*:}" "root/dev/${link%%:*}"
done

while [ "$1" != -- ]; do
  mode=$1 source=$2 target=root/${3#/}
  shift 3
  if [ -d "$source" ]; then
    mkdir -p "$target"
  else
    # A mount would follow a symlink, and out of the root if it is an absolute one.
    mkdir -p "${target%/*}"
    rm -f "$target"
    : > "$target"
  fi
  case $mode in
    rbind) mount --rbind "$source" "$target" ;;
    rw) mount --bind "$source" "$target" ;;
    ro)
      mount --bind "$source" "$target"
      mount -o remount,bind,ro "$target"
      ;;
  esac
done
shift

# This shell stays as process 1: a server would ignore SIGTERM there.
[ "$user" = root ] && user=0
"$python" "$here/enter.py" root "$user" "$directory" "$@" && exit 0
exit $?
