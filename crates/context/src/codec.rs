//! Payload codecs in JavaScript as device makers publish them, run unmodified in a sandbox (QuickJS).
//!
//! A codec is a pure function from bytes to values. Each call has an engine of its own that knows the language and
//! nothing else: no files, no network, no timers, no modules, no state from the call before. Time, memory, stack and
//! sizes are bounded; a codec that breaks a bound loses that one message and nothing more.
//!
//! Entry points, in this order: `decodeUplink({bytes, fPort, recvTime, variables})` (LoRaWAN payload codec API, TS013-1.0.0; The
//! Things Stack, ChirpStack 4), `Decode(fPort, bytes, variables)` (ChirpStack 3) and `Decoder(bytes, port)` (The Things
//! Network 2); and for commands `encodeDownlink({data})`, `Encode(fPort, data, variables)` and `Encoder(data, port)`.
//! ThingsBoard's converters, which are given a network server's whole message, run in the same sandbox ([`Language`]).

mod converter;
mod repository;
mod tbel;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dothi_kernel::{Error, Result};
use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, Context, Ctx, FromJs, Function, Runtime};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

pub use converter::{CodecKind, Converter, Language, records, script};
pub use repository::{Checked, Example, Repository};

/// Bytes of a codec's source.
pub const MAX_SOURCE: usize = 512 * 1024;
/// Bytes of one payload.
pub const MAX_PAYLOAD: usize = 4 * 1024;
/// Bytes of a network server's message for a converter.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Calls that may wait.
const QUEUE: usize = 1_000;
/// How long a call that finds the queue full is told to wait.
const BUSY: Duration = Duration::from_secs(1);

/// Bounds of one call.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Processor time of the thread, from reading the source to the result: a machine that stands still for a moment
    /// costs no message.
    pub time: Duration,
    /// Bytes of the engine's memory.
    pub memory: usize,
    /// Bytes of its stack.
    pub stack: usize,
    /// Bytes of the result as JSON.
    pub output: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { time: Duration::from_millis(250), memory: 16 << 20, stack: 256 << 10, output: 256 << 10 }
    }
}

/// What a codec is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Bytes of a device into values.
    DecodeUplink {
        /// Payload.
        bytes: Vec<u8>,
        /// LoRaWAN port.
        port: u8,
        /// When it was received, RFC 3339.
        received: Option<String>,
        /// Variables of the device, as ChirpStack hands them over.
        variables: Map<String, Value>,
    },
    /// Values of a command into bytes.
    EncodeDownlink {
        /// Command.
        data: Value,
        /// LoRaWAN port, for codecs that do not say it themselves.
        port: u8,
        /// Variables of the device.
        variables: Map<String, Value>,
    },
    /// Bytes of a command back into values.
    DecodeDownlink {
        /// Payload.
        bytes: Vec<u8>,
        /// LoRaWAN port.
        port: u8,
    },
    /// A network server's message into what a ThingsBoard converter makes of it ([`records`] reads that).
    Convert {
        /// What the converter is written in.
        language: Language,
        /// The message.
        message: Vec<u8>,
        /// Texts by name.
        metadata: Map<String, Value>,
    },
    /// A command into a network server's message: `{contentType, data, metadata}`.
    ConvertCommand {
        /// What the converter is written in.
        language: Language,
        /// The command.
        data: Value,
        /// Texts by name.
        metadata: Map<String, Value>,
    },
}

/// What a codec gave. Only one of `data` and `bytes` is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Output {
    /// Values.
    pub data: Value,
    /// Bytes to send.
    pub bytes: Vec<u8>,
    /// Port to send them on.
    pub port: Option<u8>,
    /// What the codec warned of.
    pub warnings: Vec<String>,
    /// What the codec found wrong; then there are no values.
    pub errors: Vec<String>,
}

/// Makes the entry points one function from the call's JSON to the result's JSON. `typeof` finds functions however
/// they were declared, and those that a codec exports.
const ADAPTER: &str = r"(function (call) {
  'use strict';
  var input = JSON.parse(call), out, wrap = function (v) { return { data: v }; };
  var own = function (name) { var f = (module.exports || {})[name] || exports[name]; return typeof f === 'function' ? f : undefined; };
  var uplink = typeof decodeUplink === 'function' ? decodeUplink : own('decodeUplink');
  var legacy = typeof Decoder === 'function' ? Decoder : own('Decoder');
  var chirp = typeof Decode === 'function' ? Decode : own('Decode');
  var downlink = typeof encodeDownlink === 'function' ? encodeDownlink : own('encodeDownlink');
  var encode = typeof Encode === 'function' ? Encode : own('Encode');
  var encoder = typeof Encoder === 'function' ? Encoder : own('Encoder');
  var back = typeof decodeDownlink === 'function' ? decodeDownlink : own('decodeDownlink');
  if (input.what === 'uplink') {
    var message = { bytes: input.bytes, fPort: input.port, recvTime: input.received ? new Date(input.received) : undefined, variables: input.variables };
    if (uplink) out = uplink(message);
    else if (chirp) out = wrap(chirp(input.port, input.bytes, input.variables));
    else if (legacy) out = wrap(legacy(input.bytes, input.port));
  } else if (input.what === 'downlink') {
    if (downlink) out = downlink({ data: input.data, fPort: input.port, variables: input.variables });
    else if (encode) out = { bytes: encode(input.port, input.data, input.variables) };
    else if (encoder) out = { bytes: encoder(input.data, input.port) };
  } else if (back) out = back({ bytes: input.bytes, fPort: input.port });
  return JSON.stringify(out === undefined ? null : out, function (k, v) { return v instanceof Uint8Array ? Array.from(v) : v; });
})";

/// Names that codecs expect around them: an export object, and a console that says nothing.
const AROUND: &str = "var exports = {}; var module = { exports: exports }; var console = { log() {}, info() {}, warn() {}, error() {}, debug() {} };";

/// Runs one call on this thread. Errors: 422 `codec.failed` (the codec threw, with its words), `codec.bounds` (time,
/// memory, stack or size), `codec.no-entry` (no entry point for this call), `codec.result` (not a result).
pub fn run(source: &str, call: &Call, bounds: Bounds) -> Result<Output> {
    if source.len() > MAX_SOURCE {
        return Err(broken("The codec's source is too long."));
    }
    let (length, most) = match call {
        Call::DecodeUplink { bytes, .. } | Call::DecodeDownlink { bytes, .. } => (bytes.len(), MAX_PAYLOAD),
        Call::Convert { message, .. } => (message.len(), MAX_MESSAGE),
        Call::EncodeDownlink { .. } | Call::ConvertCommand { .. } => (0, 0),
    };
    if length > most {
        return Err(broken("The payload is too long."));
    }
    let text = evaluate(source, call, bounds)?;
    match call {
        Call::Convert { .. } | Call::ConvertCommand { .. } => Ok(Output { data: json_of(&text)?, ..Output::default() }),
        _ => read(&text),
    }
}

fn broken(words: &'static str) -> Error {
    Error::unprocessable("codec.bounds", words)
}

fn engine(e: rquickjs::Error) -> Error {
    match e {
        rquickjs::Error::Allocation => broken("The codec needs too much memory."),
        other => Error::internal("running a codec", other),
    }
}

fn evaluate(source: &str, call: &Call, bounds: Bounds) -> Result<String> {
    let asked = match call {
        Call::DecodeUplink { bytes, port, received, variables } => {
            json!({"what": "uplink", "bytes": bytes, "port": port, "received": received, "variables": variables})
        }
        Call::EncodeDownlink { data, port, variables } => json!({"what": "downlink", "data": data, "port": port, "variables": variables}),
        Call::DecodeDownlink { bytes, port } => json!({"what": "back", "bytes": bytes, "port": port}),
        Call::Convert { message, metadata, .. } => json!({"bytes": message, "metadata": metadata}),
        Call::ConvertCommand { data, metadata, .. } => json!({"data": data, "metadata": metadata}),
    };
    let runtime = Runtime::new().map_err(engine)?;
    runtime.set_memory_limit(bounds.memory);
    runtime.set_max_stack_size(bounds.stack);
    let end = used() + bounds.time;
    runtime.set_interrupt_handler(Some(Box::new(move || used() > end)));
    let context = Context::full(&runtime).map_err(engine)?;
    context.with(|ctx| {
        let told = |e: rquickjs::CaughtError<'_>| {
            if used() > end {
                return broken("The codec takes too long.");
            }
            let words: String = e.to_string().chars().take(500).collect();
            let bounds = ["out of memory", "stack overflow", "Maximum call stack"].iter().any(|w| words.contains(w));
            if bounds { broken("The codec needs too much memory.") } else { Error::unprocessable("codec.failed", words) }
        };
        sloppy::<rquickjs::Value>(&ctx, AROUND).catch(&ctx).map_err(told)?;
        let result: rquickjs::String = if let Call::Convert { language, .. } | Call::ConvertCommand { language, .. } = call {
            let function = language.function(source, matches!(call, Call::ConvertCommand { .. }))?;
            sloppy::<rquickjs::Value>(&ctx, language.around()).catch(&ctx).map_err(told)?;
            let script: Function = sloppy(&ctx, &function).catch(&ctx).map_err(told)?;
            let adapter: Function = ctx.eval(converter::ADAPTER).catch(&ctx).map_err(told)?;
            adapter.call((asked.to_string(), script)).catch(&ctx).map_err(told)?
        } else {
            sloppy::<rquickjs::Value>(&ctx, source).catch(&ctx).map_err(told)?;
            let adapter: Function = ctx.eval(ADAPTER).catch(&ctx).map_err(told)?;
            adapter.call((asked.to_string(),)).catch(&ctx).map_err(told)?
        };
        let text = result.to_string().catch(&ctx).map_err(told)?;
        if text.len() > bounds.output {
            return Err(broken("The codec's result is too long."));
        }
        Ok(text)
    })
}

/// Processor time that this thread has taken.
fn used() -> Duration {
    // It cannot be negative.
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// Codecs are written for browsers and servers that forgive undeclared variables.
fn sloppy<'js, V: FromJs<'js>>(ctx: &Ctx<'js>, source: &str) -> rquickjs::Result<V> {
    let mut options = EvalOptions::default();
    options.strict = false;
    ctx.eval_with_options(source, options)
}

fn json_of(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| Error::unprocessable("codec.result", "The codec's result is not JSON.").because(e))
}

fn read(text: &str) -> Result<Output> {
    let Value::Object(mut result) = json_of(text)? else {
        return Err(Error::unprocessable("codec.no-entry", "The codec has no function for this, or it gave nothing."));
    };
    let words = |v: Option<Value>| match v {
        Some(Value::Array(list)) => list.into_iter().map(|w| w.as_str().map_or_else(|| w.to_string(), str::to_string)).collect(),
        Some(Value::String(word)) => vec![word],
        _ => Vec::new(),
    };
    let bytes = match result.remove("bytes") {
        None | Some(Value::Null) => Vec::new(),
        Some(bytes) => serde_json::from_value(bytes).map_err(|e| Error::unprocessable("codec.result", "The codec's bytes are no bytes.").because(e))?,
    };
    let port = result.remove("fPort").and_then(|p| p.as_u64()).and_then(|p| u8::try_from(p).ok());
    Ok(Output {
        data: result.remove("data").unwrap_or(Value::Null),
        bytes,
        port,
        warnings: words(result.remove("warnings")),
        errors: words(result.remove("errors")),
    })
}

struct Job {
    source: Arc<str>,
    call: Call,
    reply: oneshot::Sender<Result<Output>>,
}

/// Threads that run codecs, so that no request waits for one on an asynchronous thread.
#[derive(Debug, Clone)]
pub struct Codecs(SyncSender<Job>);

impl Codecs {
    /// Starts the threads; they end when the last copy is dropped.
    pub fn start(threads: usize) -> Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for n in 0..threads.max(1) {
            let jobs = jobs.clone();
            let thread = std::thread::Builder::new().name(format!("codec-{n}")).stack_size(1 << 20);
            thread.spawn(move || work(&jobs)).map_err(|e| Error::internal("starting a thread for codecs", e))?;
        }
        Ok(Self(queue))
    }

    /// Runs one call. Errors as [`run`], and 503 `codec.busy` when too many wait.
    pub async fn run(&self, source: Arc<str>, call: Call) -> Result<Output> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Job { source, call, reply }).map_err(|e| match e {
            TrySendError::Full(_) => Error::unavailable("codec.busy", "Too many payloads wait to be decoded; please try again.").retry_after(BUSY),
            TrySendError::Disconnected(_) => Error::internal("running a codec", "its threads have ended"),
        })?;
        answer.await.map_err(|e| Error::internal("waiting for a codec", e))?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { source, call, reply }) = next else { return };
        let done = std::panic::catch_unwind(|| run(&source, &call, Bounds::default()));
        // A caller that went away does not need the answer.
        let _gone = reply.send(done.unwrap_or_else(|_| Err(Error::internal("running a codec", "a panic"))));
    }
}
