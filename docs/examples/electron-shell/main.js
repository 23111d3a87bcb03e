'use strict';
// The main process of an Electron application whose server is a onefile.

const { app, BrowserWindow } = require('electron');
const path = require('node:path');
const { Sidecar } = require('./sidecar.js');

// In development, the variables name another server and a fixed port.
const FILE = process.env.DEMO_SERVER ?? path.join(process.resourcesPath, 'cortex-backend');
const LISTEN = process.env.DEMO_LISTEN ?? '127.0.0.1:0';

let window = null;
let quitting = false;

const server = new Sidecar(FILE, { listen: LISTEN, health: '/api/health' });
server.on('progress', (told) => splash('progress', told));
server.on('line', (line) => console.error(line));
server.on('ended', (error) => show(error));

/** Calls a function of splash.html, and resolves with what it returns. Never rejects: the window may be gone. */
async function splash(name, value) {
  if (!window || window.isDestroyed()) return null;
  return window.webContents.executeJavaScript(`${name}(${JSON.stringify(value)})`).catch(() => null);
}

/** Shows the splash until the server answers, then the server's page. `error` tells why a server that ran has ended. */
async function show(error = null) {
  await window.loadFile(path.join(__dirname, 'splash.html'));
  while (!quitting) {
    if (error && !(await askUser(error))) return app.quit();
    try {
      const url = await server.start();
      return await window.loadURL(url);
    } catch (failure) {
      error = failure;
    }
  }
}

/** Whether to try again, after the splash has shown the message and one of its buttons was pressed. */
async function askUser(error) {
  const choices = ['Try again'];
  if (error.code === 'ERR_SIDECAR_ADDRESS_TAKEN') choices.push('Use a free port');
  const choice = await splash('failed', { message: error.message, choices: [...choices, 'Quit'] });
  if (choice === 'Use a free port') server.options.listen = '127.0.0.1:0';
  return choices.includes(choice);
}

app.on('second-instance', () => {
  if (window.isMinimized()) window.restore();
  window.focus();
});

app.on('window-all-closed', () => app.quit());

app.on('before-quit', (event) => {
  if (quitting && server.pid === null) return;
  event.preventDefault();
  if (quitting) return;
  quitting = true;
  // The database is closed when this resolves.
  server.stop().then(() => app.quit());
});

if (app.requestSingleInstanceLock()) {
  app.whenReady().then(() => {
    window = new BrowserWindow({ width: 800, height: 600, title: 'Cortex' });
    return show();
  });
} else {
  // The first instance gets the event `second-instance`.
  app.quit();
}
