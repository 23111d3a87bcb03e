// Starts a onefile as a sidecar of Tauri, and ends it.

const { Command } = window.__TAURI__.shell;

/** What the launcher's exit code says if another program has the address. */
export const ADDRESS_TAKEN = 120;

export class SidecarError extends Error {
  constructor(message, exitCode = null) {
    super(message);
    this.exitCode = exitCode;
  }
}

export class Sidecar {
  #child = null;
  #ended = null;

  /** `name` as in `externalBin`; `health` is the path of a request that the server answers when it is ready. */
  constructor(name, { health = '/', stopSeconds = 10, onProgress = () => {} } = {}) {
    Object.assign(this, { name, health, stopSeconds, onProgress });
  }

  /**
   * Resolves with the server's address when the server has answered. `listen` is the address that the launcher opens; port 0
   * is a free one.
   */
  async start(listen) {
    const command = Command.sidecar(this.name, [], {
      env: {
        ONEFOLD_LISTEN: listen,
        ONEFOLD_PROGRESS: 'json',
        // Tauri holds the other end of standard input. The kernel sends SIGTERM when Tauri's process ends.
        ONEFOLD_DIE_WITH_PARENT: 'fd:0:term',
      },
    });
    const launched = this.#watch(command);
    this.#child = await command.spawn();
    const url = await Promise.race([launched, this.#ended]);
    // The launcher opened the socket before it unpacked, so one request is enough: it waits until the server answers.
    await Promise.race([fetch(url + this.health, { mode: 'no-cors' }).catch(() => this.#ended), this.#ended]);
    return url;
  }

  /** Rejects when the server has ended. */
  get ended() {
    return this.#ended;
  }

  /** Sends SIGTERM, and SIGKILL if the server has not ended `stopSeconds` later. Resolves when it has ended. */
  async stop() {
    const child = this.#child;
    if (!child) return;
    // The signal also comes when standard input has data. `kill` would send SIGKILL.
    await child.write('\n').catch(() => {});
    const timer = setTimeout(() => child.kill(), this.stopSeconds * 1000);
    await this.#ended.catch(() => {});
    clearTimeout(timer);
  }

  #watch(command) {
    let url = null;
    let failure = null;
    let lastLine = '';
    this.#ended = new Promise((_, reject) => {
      command.on('error', (message) => reject(new SidecarError(message)));
      command.on('close', ({ code, signal }) => {
        this.#child = null;
        const how = signal ? `by signal ${signal}` : `with exit code ${code}`;
        reject(new SidecarError(failure ?? `The server ended ${how}: ${lastLine}`, code));
      });
    });
    this.#ended.catch(() => {});
    return new Promise((resolve) => {
      command.stderr.on('data', (line) => {
        const told = parse(line);
        if (!told) {
          lastLine = line.trim() || lastLine;
          return;
        }
        if (told.event === 'listening') url = `http://${told.address}:${told.port}`;
        if (told.event === 'failed') failure = told.message;
        this.onProgress(told);
        if (told.event === 'ready' && url) resolve(url);
      });
    });
  }
}

/** An object of the launcher's progress, or null for a line of the server. */
function parse(line) {
  try {
    const told = JSON.parse(line);
    return typeof told?.event === 'string' ? told : null;
  } catch {
    return null;
  }
}
