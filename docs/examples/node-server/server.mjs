#!/usr/bin/env node
// A small server on Node.js's own http module. It reads its page from beside
// this file, so it works unchanged from a checkout and from a packed tree.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";

const NAME = "node-server";
const VERSION = "1.0.0";
const STOP_MILLISECONDS = 10_000;

const USAGE = `usage: ${NAME} [--host HOST] [--port PORT] [--check]

  --host HOST  address to listen on (default: 127.0.0.1)
  --port PORT  port to listen on, 0 for a free one (default: 8000)
  --check      try every part once, print the result as JSON and exit
  --version    print the version and exit
  --help       print this and exit
`;

// The files are read once, at the start: a request can then name nothing else.
const page = readFileSync(join(import.meta.dirname, "public", "index.html"));

function health() {
  return {
    status: "ok",
    pid: process.pid,
    ppid: process.ppid,
    execPath: process.execPath,
    // Onefold tells the server it starts where and what it is.
    root: process.env.ONEFOLD_ROOT ?? null,
    exe: process.env.ONEFOLD_EXE ?? null,
    app_version: process.env.ONEFOLD_APP_VERSION ?? null,
    version: process.version,
  };
}

const json = (value) => JSON.stringify(value) + "\n";

const routes = new Map([
  ["/", { type: "text/html; charset=utf-8", body: () => page }],
  ["/api/health", { type: "application/json", body: () => json(health()) }],
]);

function answer(request, response) {
  const send = (status, type, body, headers = {}) => {
    const content = Buffer.from(body);
    response.writeHead(status, {
      "Content-Type": type,
      "Content-Length": content.length,
      ...headers,
    });
    response.end(request.method === "HEAD" ? undefined : content);
  };
  const refuse = (status, detail, headers) =>
    send(status, "application/json", json({ detail }), headers);

  const route = routes.get(request.url.split("?", 1)[0]);
  if (!route) {
    refuse(404, "no such page");
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    refuse(405, "only GET and HEAD", { Allow: "GET, HEAD" });
  } else {
    send(200, route.type, route.body());
  }
}

/** Listens and resolves to the server and its URL. */
function listen(host, port) {
  return new Promise((resolve, reject) => {
    const server = createServer(answer);
    server.once("error", reject);
    server.listen(port, host, () => {
      const { address, family, port } = server.address();
      const name = family === "IPv6" ? `[${address}]` : address;
      resolve({ server, url: `http://${name}:${port}` });
    });
  });
}

/** Takes no new connection and lets the requests under way finish. */
function stop(server) {
  return new Promise((resolve) => {
    server.close(resolve);
    setTimeout(() => server.closeAllConnections(), STOP_MILLISECONDS).unref();
  });
}

async function serve(host, port) {
  const { server, url } = await listen(host, port);
  // Once the server is closed nothing is left to do and Node.js exits with 0.
  // A second signal finds no handler and kills the process at once.
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => stop(server));
  }
  console.log(`listening on ${url}`);
}

/** Runs the real server on a free port and uses it as a client would. */
async function check() {
  const { server, url } = await listen("127.0.0.1", 0);
  try {
    const request = async (method, path, expected) => {
      const response = await fetch(url + path, { method });
      const body = Buffer.from(await response.arrayBuffer());
      if (response.status !== expected) {
        throw new Error(`${method} ${path} answered ${response.status}`);
      }
      return body;
    };
    if (!(await request("GET", "/", 200)).equals(page)) {
      throw new Error("GET / did not answer with the page");
    }
    const { status, pid } = JSON.parse(await request("GET", "/api/health", 200));
    if (status !== "ok" || pid !== process.pid) {
      throw new Error("GET /api/health did not answer with this process");
    }
    await request("GET", "/public/index.html", 404);
    await request("POST", "/api/health", 405);
  } finally {
    await stop(server);
  }
  const versions = { [NAME]: VERSION, node: process.version };
  return { status: "ok", checked: ["page", "health", "refusals"], versions };
}

function fail(status, message) {
  process.stderr.write(`${NAME}: ${message}\n`);
  process.exitCode = status;
}

function parseOptions() {
  const { values } = parseArgs({
    options: {
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "8000" },
      check: { type: "boolean" },
      version: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65535) {
    throw new Error(`--port: not a port: ${values.port}`);
  }
  return { ...values, port };
}

async function main() {
  let options;
  try {
    options = parseOptions();
  } catch (error) {
    return fail(2, `${error.message}\n${USAGE.trimEnd()}`);
  }
  if (options.help) {
    process.stdout.write(USAGE);
  } else if (options.version) {
    console.log(`${NAME} ${VERSION}`);
  } else if (options.check) {
    try {
      console.log(JSON.stringify(await check(), null, 2));
    } catch (error) {
      fail(1, `check failed: ${error.message}`);
    }
  } else {
    try {
      await serve(options.host, options.port);
    } catch (error) {
      fail(3, error.message);
    }
  }
}

await main();
