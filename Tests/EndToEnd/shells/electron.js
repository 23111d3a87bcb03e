'use strict';
// What docs/examples/electron-shell uses of Electron, with a chromium in app mode as the window. The process is Node.js, as
// Electron's main process is. Lines on stdin act for the user and the test; each answer is a line on stdout:
//   {"evaluate": CODE}  {"screenshot": FILE}  {"close": true}  {"second": true}

const { spawn } = require('node:child_process');
const { EventEmitter, once } = require('node:events');
const { writeFileSync } = require('node:fs');
const { createInterface } = require('node:readline');
const { pathToFileURL } = require('node:url');

/** A browser with one page, driven through the DevTools protocol over two pipes. It ends with this process. */
class Browser extends EventEmitter {
  #calls = new Map();
  #number = 0;
  #session = undefined;

  async open() {
    const flags = JSON.parse(process.env.TEST_CHROMIUM);
    this.child = spawn(flags[0], flags.slice(1), { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], detached: true });
    this.child.stdio[3].on('error', () => {});
    let rest = '';
    this.child.stdio[4].setEncoding('utf8').on('data', (data) => {
      const messages = (rest + data).split('\0');
      rest = messages.pop();
      messages.forEach((message) => this.#receive(JSON.parse(message)));
    });
    this.once('Target.detachedFromTarget', () => this.emit('closed'));
    const { targetInfos } = await this.call('Target.getTargets');
    const { targetId } = targetInfos.find(({ type }) => type === 'page');
    this.targetId = targetId;
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    this.#session = sessionId;
    await this.call('Page.enable');
  }

  #receive({ id, result, error, method, params }) {
    if (method) return this.emit(method, params);
    const { resolve, reject } = this.#calls.get(id);
    this.#calls.delete(id);
    return error ? reject(new Error(error.message)) : resolve(result);
  }

  call(method, params = {}) {
    const id = ++this.#number;
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }
}

class BrowserWindow extends EventEmitter {
  #browser = new Browser();
  #ready = this.#browser.open();
  #isDestroyed = false;

  constructor() {
    super();
    BrowserWindow.last = this;
    this.webContents = { executeJavaScript: (code) => this.evaluate(code) };
    this.#browser.on('closed', () => {
      this.#isDestroyed = true;
      this.emit('closed');
      app.emit('window-all-closed');
    });
  }

  isDestroyed() { return this.#isDestroyed; }
  isMinimized() { return false; }
  focus() { console.log('"focus"'); }
  loadFile(file) { return this.loadURL(pathToFileURL(file).href); }

  async loadURL(url) {
    await this.#ready;
    const loaded = once(this.#browser, 'Page.loadEventFired');
    const { errorText } = await this.#browser.call('Page.navigate', { url });
    if (errorText) throw new Error(`${errorText} loading ${url}`);
    await loaded;
  }

  async evaluate(expression) {
    await this.#ready;
    const call = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const { result, exceptionDetails } = await this.#browser.call('Runtime.evaluate', call);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value ?? null;
  }

  async screenshot(file) {
    const { data } = await this.#browser.call('Page.captureScreenshot');
    writeFileSync(file, Buffer.from(data, 'base64'));
  }

  close() { return this.#browser.call('Target.closeTarget', { targetId: this.#browser.targetId }).catch(() => {}); }
}

class Application extends EventEmitter {
  requestSingleInstanceLock() { return true; }
  async whenReady() {}

  quit() {
    let isPrevented = false;
    this.emit('before-quit', { preventDefault: () => { isPrevented = true; } });
    if (isPrevented) return;
    // The browser ends when its pipes are closed.
    process.exit(0);
  }
}

const app = new Application();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => app.quit());

const ACTIONS = {
  evaluate: (window, code) => window.evaluate(code),
  screenshot: (window, file) => window.screenshot(file),
  close: (window) => window.close(),
  second: async () => { app.emit('second-instance'); },
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [[name, value]] = Object.entries(JSON.parse(line));
  const answer = await ACTIONS[name](BrowserWindow.last, value).then(
    (result) => ({ result: result ?? null }), (error) => ({ error: error.message }));
  console.log(JSON.stringify(answer));
});

module.exports = { app, BrowserWindow };
