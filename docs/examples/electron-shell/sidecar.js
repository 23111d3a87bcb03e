'use strict';
// Starts a onefile as the server of a desktop shell, and ends it with the shell. Needs Node.js 18 or Electron, on Linux.

const { spawn } = require('node:child_process');
const { EventEmitter } = require('node:events');
const { createInterface } = require('node:readline');

/** What the launcher's exit codes mean; all others are the server's own. */
const CODES = {
  120: 'ERR_SIDECAR_ADDRESS_TAKEN',
  121: 'ERR_SIDECAR_RUNS_ALREADY',
  122: 'ERR_SIDECAR_DOES_NOT_STOP',
  125: 'ERR_SIDECAR_LAUNCH',
  126: 'ERR_SIDECAR_LAUNCH',
  127: 'ERR_SIDECAR_LAUNCH',
};

class SidecarError extends Error {
  /** `end` has `exitCode` or `signal`. */
  constructor(message, code, end = {}) {
    super(message);
    Object.assign(this, { name: 'SidecarError', code, exitCode: null, signal: null }, end);
  }
}

/**
 * Emits `progress` with each object that the launcher writes, `line` with each line of the server's stderr, and `ended`
 * with a SidecarError if a server that had started ends without `stop`.
 */
class Sidecar extends EventEmitter {
  #child = null;
  #ended = null;
  #started = false;
  #stopping = false;

  /**
   * `file` is the onefile. Options: `listen`, the address that the launcher opens (port 0 is a free one); `health`, the path
   * of a request that the server answers when it is ready; `args` and `env` for the server; `startSeconds` and `stopSeconds`.
   */
  constructor(file, options = {}) {
    super();
    this.file = file;
    this.options = { listen: '127.0.0.1:0', health: '/', args: [], env: {}, startSeconds: 120, stopSeconds: 10, ...options };
  }

  get pid() {
    return this.#child?.pid ?? null;
  }

  /** Resolves with the server's address, such as `http://127.0.0.1:40213`, when the server has answered. */
  async start() {
    if (this.#child) throw new SidecarError('the server was started already', 'ERR_SIDECAR_STARTED');
    this.#stopping = this.#started = false;
    const launched = this.#launch();
    const timer = setTimeout(() => this.#kill('SIGKILL'), this.options.startSeconds * 1000);
    try {
      const url = await Promise.race([launched, this.#ended]);
      // The launcher opened the socket before it unpacked, so one request is enough: it waits until the server answers.
      const answer = await Promise.race([fetch(url + this.options.health).catch(() => this.#ended), this.#ended]);
      await answer.body?.cancel();
      if (!answer.ok) throw new SidecarError(`the server answered ${answer.status}`, 'ERR_SIDECAR_HEALTH');
      this.#started = true;
      return url;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends SIGTERM, and SIGKILL if the server has not ended `stopSeconds` later. Resolves when it has ended. */
  async stop() {
    if (!this.#child) return;
    this.#stopping = true;
    this.#kill('SIGTERM');
    const timer = setTimeout(() => this.#kill('SIGKILL'), this.options.stopSeconds * 1000);
    await this.#ended.catch(() => {});
    clearTimeout(timer);
  }

  /** The pid is the server's own: the launcher becomes the server. */
  #kill(signal) {
    this.#child?.kill(signal);
  }

  /** Resolves with the address when the launcher executes the server. `#ended` rejects when the process has ended. */
  #launch() {
    const { listen, args, env } = this.options;
    const child = spawn(this.file, args, {
      // 3 carries nothing. Its other end is open in this process alone, so the kernel closes it however this process ends.
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: {
        ...process.env, ...env,
        ONEFOLD_DIE_WITH_PARENT: 'fd:3:term', ONEFOLD_PROGRESS: 'json:4', ONEFOLD_LISTEN: listen,
      },
    });
    this.#child = child;
    let failure = null;
    let lastLine = '';
    child.stdio[3]?.on('error', () => {});
    child.stdout?.resume();
    if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => { lastLine = line; this.emit('line', line); });
    const launched = new Promise((resolve) => {
      let url = null;
      if (!child.stdio[4]) return;
      createInterface({ input: child.stdio[4] }).on('line', (line) => {
        const told = JSON.parse(line);
        if (told.event === 'listening') url = `http://${host(told.address)}:${told.port}`;
        if (told.event === 'failed') failure = told.message;
        this.emit('progress', told);
        if (told.event === 'ready' && url) resolve(url);
      });
    });
    this.#ended = ended(child).then(([exitCode, signal]) => {
      this.#child = null;
      const how = signal ? `was ended by ${signal}` : `ended with exit code ${exitCode}`;
      const why = failure ?? `the server ${how}${lastLine && `: ${lastLine}`}`;
      throw new SidecarError(why, this.#stopping ? 'ERR_SIDECAR_STOPPED' : CODES[exitCode] ?? 'ERR_SIDECAR_ENDED', { exitCode, signal });
    }, (error) => {
      this.#child = null;
      throw new SidecarError(`the server can't be started: ${error.message}`, 'ERR_SIDECAR_LAUNCH');
    });
    this.#ended.catch((error) => { if (this.#started && !this.#stopping) this.emit('ended', error); });
    return launched;
  }
}

/** Resolves with exit code and signal, when all that the process wrote has been read. */
function ended(child) {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => { if (child.pid === undefined) reject(error); });
    child.on('close', (...end) => resolve(end));
  });
}

function host(address) {
  return address.includes(':') ? `[${address}]` : address;
}

/**
 * Ends the one instance that any shell has started from the file (`launch.instance` of its spec), and resolves when it has
 * ended: before the file is replaced. Resolves with false if none runs.
 */
async function stopInstance(file, { seconds = 10, kill = false } = {}) {
  const args = [String(seconds), ...(kill ? ['kill'] : [])];
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ONEFOLD: 'stop' } });
  let text = '';
  child.stderr?.on('data', (data) => { text += data; });
  const [exitCode, signal] = await ended(child);
  if (exitCode === 0 || exitCode === 3) return exitCode === 0;
  throw new SidecarError(text.trim(), CODES[exitCode] ?? 'ERR_SIDECAR_ENDED', { exitCode, signal });
}

module.exports = { Sidecar, SidecarError, stopInstance };
