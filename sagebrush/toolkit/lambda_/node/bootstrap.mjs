// The Node.js runtime of functions: finds the handler, handles each event, by the Runtime API alone.
//
// Source: AWS Lambda Developer Guide, "Define Lambda function handler in Node.js", "Response streaming
// for Lambda functions" and "Using the Lambda runtime API for custom runtimes". Nothing but Node itself.

import { existsSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const root = process.env.LAMBDA_TASK_ROOT;
const asJson = (process.env.AWS_LAMBDA_LOG_FORMAT || "").toUpperCase() === "JSON";
const LEVELS = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, FATAL: 5 };
const least = LEVELS[(process.env.AWS_LAMBDA_LOG_LEVEL || "").toUpperCase()] ?? 0;
const agent = new Agent({ keepAlive: true, maxSockets: 2 });
const STREAMED = Symbol.for("aws.lambda.runtime.handler.streaming");
const UNTELLABLE = "callback called with Error argument, but there was a problem while retrieving one " +
  "or more of its message, name, and stack";
delete process.env.SAGEBRUSH_LAYERS;

let requestId;

// -- the Runtime API

function call(method, path, body, headers = {}) {
  return new Promise((done, failed) => {
    const options = { agent, host, port, method, path: `/2018-06-01/runtime/${path}`, headers };
    const asked = request(options, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () =>
        done({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on("error", failed);
    });
    asked.on("error", failed);
    if (body && typeof body.pipe === "function") body.pipe(asked);
    else asked.end(body);
  });
}

// -- the log: one event a line; what is of several lines is divided by carriage returns

function write(level, values) {
  if (LEVELS[level] < least) return;
  const text = format(...values);
  const at = new Date().toISOString();
  if (asJson) {
    const one = values.length === 1 && values[0] !== null && typeof values[0] === "object";
    const error = values.find((each) => each instanceof Error);
    const message = one && !error ? values[0] : text;
    const more = error ? { errorType: error.name, errorMessage: error.message,
      stackTrace: (error.stack || "").split("\n") } : {};
    process.stdout.write(JSON.stringify({ timestamp: at, level, requestId, message, ...more }) + "\n");
  } else {
    const line = `${at}\t${requestId}\t${level}\t${text}`;
    process.stdout.write(line.replaceAll("\n", "\r") + "\n");
  }
}

const NAMED = { log: "INFO", info: "INFO", debug: "DEBUG", trace: "TRACE", warn: "WARN", error: "ERROR" };
for (const [name, level] of Object.entries(NAMED)) console[name] = (...values) => write(level, values);

// -- errors

// What a caller gets, and what the log gets: as AWS's own client has them (aws-lambda-nodejs-runtime-
// interface-client, Errors.js).

function described(error) {
  try {
    if (error instanceof Error) {
      const trace = (error.stack || String(error)).split("\n");
      return { errorType: error.name, errorMessage: error.message, trace };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return { errorType: "handled", errorMessage: UNTELLABLE };
  }
}

function told(thrown) {
  const error = thrown instanceof Error ? thrown : new Error(thrown);
  try {
    return JSON.stringify(error, (_, value) => (value instanceof Error ? whole(value) : value));
  } catch {
    return JSON.stringify(described(error));
  }
}

function whole(error) {
  const known = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  if (typeof error.stack === "string") known.stack = error.stack.split("\n");
  return known;
}

class Fault extends Error {
  constructor(name, message) {
    super(message);
    // enumerable, it would be told twice
    Object.defineProperty(this, "name", { value: name });
  }
}

// -- the handler

async function imported(file, module) {
  const require = createRequire(`${root}/`);
  for (const end of ["", ".js", ".mjs", ".cjs"]) {
    if (!existsSync(file + end) || (end === "" && !/\.[cm]?js$/.test(file))) continue;
    if (end === ".cjs") return require(file + end);
    return await import(pathToFileURL(file + end).href);
  }
  try {
    return require(require.resolve(module, { paths: [root, ...(process.env.NODE_PATH || "").split(":")] }));
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    throw new Fault("Runtime.ImportModuleError", `Error: Cannot find module '${module}'\nRequire stack:\n- /var/runtime/index.mjs`);
  }
}

async function found(name) {
  const split = name.lastIndexOf("/") + 1;
  const at = name.indexOf(".", split);
  if (name.includes("..")) throw new Fault("Runtime.MalformedHandlerName", `'${name}' is not a valid handler ` +
    "name. Use absolute paths when specifying root directories in handler names.");
  if (at <= 0) throw new Fault("Runtime.MalformedHandlerName", "Bad handler");
  const module = name.slice(0, at);
  let where;
  try {
    where = await imported(resolve(root, module), module);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Fault("Runtime.UserCodeSyntaxError", String(error));
    if (error.code === "MODULE_NOT_FOUND") // ERR_MODULE_NOT_FOUND, of ES modules, is told as it is
      throw new Fault("Runtime.ImportModuleError", String(error));
    throw error;
  }
  const names = name.slice(at + 1).split(".");
  const within = (start) => names.reduce((value, each) => value?.[each], start);
  const handler = within(where) ?? within(where?.default);
  if (!handler) throw new Fault("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new Fault("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMED]: true }),
  HttpResponseStream: {
    from(stream, prelude) {
      stream.contentType = "application/vnd.awslambda.http-integration-response";
      stream.write(JSON.stringify(prelude));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

// -- an event

function contextOf(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const client = headers["lambda-runtime-client-context"];
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: client ? JSON.parse(client) : undefined,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function answered(handler, event, context) {
  return new Promise((done, failed) => {
    context.done = (error, value) => (error ? failed(error) : done(value));
    context.succeed = done;
    context.fail = failed;
    const result = handler(event, context, context.done);
    if (result && typeof result.then === "function") result.then(done, failed);
    else if (handler.length < 3 && result !== undefined) done(result);
  });
}

async function streamed(handler, event, context) {
  const stream = new PassThrough();
  stream.setContentType = (type) => { stream.contentType = type; };
  const sent = new Promise((done, failed) => {
    stream.once("readable", () => {
      const headers = {
        "Lambda-Runtime-Function-Response-Mode": "streaming",
        "Transfer-Encoding": "chunked",
        "Content-Type": stream.contentType || "application/octet-stream",
      };
      call("POST", `invocation/${requestId}/response`, stream, headers).then(done, failed);
    });
  });
  await handler(event, stream, context);
  if (!stream.writableEnded) await new Promise((done) => stream.on("finish", done));
  await sent;
}

async function handled(handler, headers, body) {
  try {
    const context = contextOf(headers);
    const event = JSON.parse(body.toString());
    if (handler[STREAMED]) return await streamed(handler, event, context);
    const text = JSON.stringify(await answered(handler, event, context));
    await call("POST", `invocation/${requestId}/response`, text === undefined ? "null" : text);
  } catch (error) {
    const document = described(error);
    if (asJson) write("ERROR", [error]);
    else write("ERROR", [`Invoke Error \t${told(error)}`]);
    const kind = { "Lambda-Runtime-Function-Error-Type": document.errorType };
    await call("POST", `invocation/${requestId}/error`, JSON.stringify(document), kind);
  }
}

function ended(name) {
  return (error) => {
    write("ERROR", [`${name} \t${told(error)}`]);
    process.exit(name === "Uncaught Exception" ? 129 : 128);
  };
}

process.on("uncaughtException", ended("Uncaught Exception"));
process.on("unhandledRejection", (reason, promise) => {
  const fault = new Fault("Runtime.UnhandledPromiseRejection", String(reason));
  ended("Unhandled Promise Rejection")(Object.assign(fault, { reason, promise }));
});

let handler;
try {
  handler = await found(process.env._HANDLER || "");
} catch (error) {
  const document = described(error);
  write("ERROR", [`Uncaught Exception \t${told(error)}`]);
  await call("POST", "init/error", JSON.stringify(document), { "Lambda-Runtime-Function-Error-Type": document.errorType });
  process.exit(1);
}
for (;;) {
  const next = await call("GET", "invocation/next");
  if (next.status !== 200) process.exit(0);
  requestId = next.headers["lambda-runtime-aws-request-id"];
  const trace = next.headers["lambda-runtime-trace-id"];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  await handled(handler, next.headers, next.body);
}
