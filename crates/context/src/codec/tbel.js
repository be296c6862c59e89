// What a ThingsBoard converter finds around it (TBEL's own functions, and the methods of Java's lists, maps and texts),
// for the engine that runs makers' codecs. The translation (tbel.rs) writes calls of such methods as `$name`.
//
// Bytes are signed, as Java's are. Whole numbers and fractions are one kind of number here, so a fraction put into a
// text is written as JavaScript writes it ("5", not "5.0"), and whole numbers beyond 2^53 lose their last digits.
(function (global) {
  'use strict';
  const own = (o, k) => Object.prototype.hasOwnProperty.call(o, k);
  const fail = (words) => { throw new Error(words); };
  const hide = (target, name, value) => Object.defineProperty(target, name, { value, writable: true, configurable: true });
  const give = (functions) => { for (const name of Object.keys(functions)) hide(global, name, functions[name]); };
  const isMap = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Date);
  const signed = (b) => (b << 24) >> 24;
  const list = (v) => Array.isArray(v) ? v : fail('not a list: ' + v);

  // ---- texts and bytes
  const utf8 = (bytes) => {
    let text = '', i = 0;
    const at = (k) => (bytes[k] & 0xc0) === 0x80 && k < bytes.length ? bytes[k] & 0x3f : -1;
    while (i < bytes.length) {
      const b = bytes[i] & 0xff;
      const more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xf0 && b < 0xf5 ? 3 : -1;
      let point = more < 1 ? b : b & (0x3f >> more), good = more >= 0;
      for (let k = 1; good && k <= more; k++) {
        const next = at(i + k);
        good = next >= 0;
        point = point * 64 + next;
      }
      good = good && !(more === 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) && !(more === 3 && (point < 0x10000 || point > 0x10ffff));
      text += good ? String.fromCodePoint(point) : '\ufffd';
      i += good ? more + 1 : 1;
    }
    return text;
  };
  const toUtf8 = (text) => {
    const bytes = [];
    for (const c of String(text)) {
      const p = c.codePointAt(0);
      if (p < 0x80) bytes.push(p);
      else if (p < 0x800) bytes.push(0xc0 | (p >> 6), 0x80 | (p & 63));
      else if (p < 0x10000) bytes.push(0xe0 | (p >> 12), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
      else bytes.push(0xf0 | (p >> 18), 0x80 | ((p >> 12) & 63), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
    }
    return asBytes(bytes.map(signed));
  };
  const latin = (charset) => /^(iso-8859-1|latin1|us-ascii|ascii)$/i.test(String(charset));
  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  // Lists that hold bytes: a byte divided by a whole number stays a byte.
  const holdBytes = new WeakSet();
  const asBytes = (bytes) => { holdBytes.add(bytes); return bytes; };
  const base64ToBytes = (text) => {
    const bytes = [];
    let bits = 0, held = 0;
    for (const c of String(text).replace(/=+$/, '')) {
      const digit = DIGITS.indexOf(c);
      if (digit < 0) fail('not base64: ' + text);
      held = (held << 6) | digit;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        bytes.push(signed(held >> bits));
        held &= (1 << bits) - 1;
      }
    }
    return asBytes(bytes);
  };
  const bytesToBase64 = (bytes) => {
    let text = '';
    for (let i = 0; i < bytes.length; i += 3) {
      const n = Math.min(3, bytes.length - i);
      const held = ((bytes[i] & 255) << 16) | ((n > 1 ? bytes[i + 1] & 255 : 0) << 8) | (n > 2 ? bytes[i + 2] & 255 : 0);
      for (let k = 0; k < 4; k++) text += k <= n ? DIGITS[(held >> (18 - 6 * k)) & 63] : '=';
    }
    return text;
  };
  const bytesToHex = (bytes) => list(bytes).map((b) => ((b & 255) + 256).toString(16).slice(1).toUpperCase()).join('');
  const plain = (text) => String(text).trim().replace(/0[xX]/g, '').replace(/,/g, '.');
  const turned = (hex) => (hex.length % 2 ? '0' + hex : hex).match(/../g).reverse().join('');
  const hexToBytes = (text) => {
    const hex = plain(text);
    if (!hex || hex.length % 2 || !/^[0-9a-fA-F]+$/.test(hex)) fail('not an even number of hexadecimal digits: ' + text);
    return asBytes(hex.match(/../g).map((d) => signed(parseInt0(d, 16))));
  };

  // ---- numbers
  const parseInt0 = global.parseInt;
  const whole = (text, radix, bigEndian, bits) => {
    if (text === null || text === undefined || String(text).trim() === '') return null;
    let digits = plain(text);
    if (bigEndian === false) digits = turned(digits);
    const base = radix || (/^-?\d+(\.\d+)?$/.test(digits) && !/^\s*[+-]?0[xX]/.test(text) ? 10 : 16);
    const sign = digits[0] === '-' ? -1 : 1;
    const magnitude = digits.replace(/^[+-]/, '');
    const known = '0123456789abcdefghijklmnopqrstuvwxyz'.slice(0, base);
    if (!magnitude || [...magnitude.toLowerCase()].some((d) => !known.includes(d))) fail('not a whole number of radix ' + base + ': ' + text);
    const value = sign * parseInt0(magnitude, base);
    if (base === 2 && magnitude.length === bits) return Number(BigInt.asIntN(bits, BigInt('0b' + magnitude)));
    if (value >= Math.pow(2, bits - 1) || value < -Math.pow(2, bits - 1)) fail('a number beyond ' + bits + ' bits: ' + text);
    return value;
  };
  // Single-precision numbers are shown by the fewest digits that tell them apart, as Java does.
  const single = (x) => {
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(x.toPrecision(digits));
      if (Math.fround(short) === x) return short;
    }
    return x;
  };
  const part = (bytes, offset, length, bigEndian, most) => {
    list(bytes);
    const from = offset || 0;
    const n = length === undefined ? Math.min(most, bytes.length - from) : length;
    if (from < 0 || n < 1 || n > most || from + n > bytes.length) fail('no ' + n + ' bytes at ' + from + ' of ' + bytes.length);
    const taken = bytes.slice(from, from + n).map((b) => b & 255);
    return bigEndian === false ? taken.reverse() : taken;
  };
  const view = (bytes, size) => {
    const data = new DataView(new ArrayBuffer(size));
    bytes.forEach((b, i) => data.setUint8(size - bytes.length + i, b));
    return data;
  };
  const number = (x, words) => Number.isNaN(x) ? fail(words) : x;
  const parseBytesToInt = (b, o, n, e) => view(part(b, o, n, e, 4), 4).getInt32(0);
  const parseBytesToLong = (b, o, n, e) => Number(view(part(b, o, n, e, 8), 8).getBigInt64(0));
  const toFixed = (value, places) => {
    const text = String(Number(value));
    if (!/^-?\d+(\.\d+)?$/.test(text)) return Number(value);
    const [, sign, high, low = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
    if (low.length <= places) return Number(value);
    let digits = BigInt(high + low.slice(0, places));
    if (low[places] >= '5') digits += 1n;
    const padded = digits.toString().padStart(places + 1, '0');
    const point = padded.length - places;
    return Number(sign + padded.slice(0, point) + (places ? '.' + padded.slice(point) : ''));
  };
  const hexOf = (value, bigEndian, prefix, length, most) => {
    let hex = BigInt.asUintN(64, BigInt(value)).toString(16).toUpperCase();
    if (value < 0) {
      hex = hex.replace(/^F+(?!$)/, '');
      if (hex.length % 2) hex = 'F' + hex;
      hex = hex.length > most ? hex.slice(-most) : hex.length === most ? hex : 'FF' + hex;
    } else if (hex.length % 2) hex = '0' + hex;
    if (bigEndian === false) hex = turned(hex);
    if (length !== undefined && length >= 0) hex = length > hex.length ? fail('fewer than ' + length + ' digits: ' + value) : hex.slice(hex.length - length);
    return prefix ? '0x' + hex : hex;
  };
  // `%[flags][width][.precision]` with d, x, X, s, f, b, c and %. A negative number of one byte's size is a byte.
  const format = (pattern, ...values) => {
    let next = 0;
    return String(pattern).replace(/%([-0+ ,]*)(\d+)?(?:\.(\d+))?([dxXsSfbcn%])/g, (all, flags, width, precision, how) => {
      if (how === '%') return '%';
      if (how === 'n') return '\n';
      if (next >= values.length) fail('format: nothing given for ' + all);
      const value = values[next++];
      let text;
      if (how === 'd') text = Number.isInteger(value) ? String(value) : fail('format: not a whole number: ' + value);
      else if (how === 'f') text = fixed(value, precision === undefined ? 6 : +precision);
      else if (how === 'x' || how === 'X') {
        text = (value < 0 ? value + (value >= -128 ? 256 : 4294967296) : value).toString(16);
        if (how === 'X') text = text.toUpperCase();
      } else {
        text = written(value);
        if (precision !== undefined) text = text.slice(0, +precision);
        if (how === 'S') text = text.toUpperCase();
      }
      if (flags.includes('+') && (how === 'd' || how === 'f') && value >= 0) text = '+' + text;
      if (width === undefined || text.length >= width) return text;
      if (flags.includes('-')) return text.padEnd(+width);
      if (!flags.includes('0')) return text.padStart(+width);
      const sign = /^[+-]/.test(text) ? text[0] : '';
      return sign + text.slice(sign.length).padStart(+width - sign.length, '0');
    });
  };
  const fixed = (value, places) => {
    const [high, low = ''] = String(toFixed(value, places)).split('.');
    return places ? high + '.' + low.padEnd(places, '0') : high;
  };
  const written = (value) => value === undefined || value === null ? 'null' : typeof value === 'object' && !(value instanceof Date) ? JSON.stringify(value) : String(value);

  // ---- maps
  const flat = (value, out, except, path, whole) => {
    if (Array.isArray(value)) value.forEach((item, i) => flat(item, out, except, path + '.' + i, whole));
    else if (isMap(value)) {
      for (const key of Object.keys(value)) if (!except.includes(key)) flat(value[key], out, except, path ? path + '.' + key : key, whole);
    } else {
      const steps = path.split('.');
      let first = steps.length - 1;
      if (/^\d+$/.test(steps[first])) first = Math.max(0, first - 1);
      out[whole ? path : steps.slice(first).join('.')] = value;
    }
    return out;
  };
  class Entry {
    constructor(map, key) { this.map = map; this.key = key; }
    get value() { return this.map[this.key]; }
    set value(v) { this.map[this.key] = v; }
  }
  const same = (a, b) => {
    if (a === b || (a === null && b === undefined) || (a === undefined && b === null)) return true;
    if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((v, i) => same(v, b[i]));
    if (!isMap(a) || !isMap(b)) return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((k) => own(b, k) && same(a[k], b[k]));
  };
  const size = (v) => Array.isArray(v) || typeof v === 'string' ? v.length : Object.keys(v).length;
  const missing = (name, v) => fail('there is no ' + name + ' of ' + (Array.isArray(v) ? 'a list' : typeof v));
  const expression = (text, flags) => new RegExp(String(text).replace(/\(\?<([a-zA-Z]\w*)>/g, '(?<$1>'), flags);
  const escaped = (text) => String(text).replace(/\$/g, '$$$$');

  // Each method says for what it is there: l a list, m a map, s a text, n anything else.
  const kind = (v) => Array.isArray(v) ? 'l' : typeof v === 'string' ? 's' : isMap(v) ? 'm' : 'n';
  const methods = {
    size: { l: (v) => v.length, m: (v) => Object.keys(v).length },
    length: { l: (v) => v.length, s: (v) => v.length },
    isEmpty: { l: (v) => !v.length, m: (v) => !Object.keys(v).length, s: (v) => !v.length },
    get: { l: (v, i) => i >= 0 && i < v.length ? v[i] : fail('there is no item ' + i + ' of ' + v.length), m: (v, k) => own(v, k) ? v[k] : null },
    getOrDefault: { m: (v, k, d) => own(v, k) ? v[k] : d },
    set: { l: (v, i, x) => { const old = v[i]; v[i] = x; return old; } },
    put: { m: (v, k, x) => { const old = own(v, k) ? v[k] : null; v[k] = x; return old; } },
    putAll: { m: (v, o) => { Object.assign(v, isMap(o) ? o : fail('not a map: ' + o)); } },
    putIfAbsent: { m: (v, k, x) => { if (own(v, k) && v[k] != null) return v[k]; v[k] = x; return null; } },
    containsKey: { m: (v, k) => own(v, k) },
    containsValue: { m: (v, x) => Object.values(v).some((y) => same(x, y)) },
    contains: { l: (v, x) => v.some((y) => same(x, y)), s: (v, x) => v.includes(x) },
    includes: { l: (v, x) => v.some((y) => same(x, y)), s: (v, x) => v.includes(x) },
    containsAll: { l: (v, o) => o.every((x) => v.some((y) => same(x, y))) },
    keys: { m: (v) => Object.keys(v) },
    keySet: { m: (v) => Object.keys(v) },
    values: { m: (v) => Object.values(v) },
    entrySet: { m: (v) => Object.keys(v).map((k) => new Entry(v, k)) },
    getKey: { m: (v) => v.key },
    getValue: { m: (v) => v.value },
    setValue: { m: (v, x) => { v.value = x; } },
    add: { l: (v, a, b) => { if (b === undefined) v.push(a); else v.splice(a, 0, b); return true; } },
    addAll: { l: (v, a, b) => { if (b === undefined) v.push(...list(a)); else v.splice(a, 0, ...list(b)); return true; } },
    remove: {
      l: (v, x) => {
        if (Number.isInteger(x)) return x >= 0 && x < v.length ? v.splice(x, 1)[0] : fail('there is no item ' + x + ' of ' + v.length);
        const at = v.findIndex((y) => same(x, y));
        if (at >= 0) v.splice(at, 1);
        return at >= 0;
      },
      m: (v, k) => { const old = own(v, k) ? v[k] : null; delete v[k]; return old; },
    },
    clear: { l: (v) => { v.length = 0; }, m: (v) => { for (const k of Object.keys(v)) delete v[k]; } },
    sort: { l: (v, asc) => { v.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0) * (asc === false ? -1 : 1)); } },
    toSorted: { l: (v, asc) => v.slice().sort((a, b) => (a < b ? -1 : a > b ? 1 : 0) * (asc === false ? -1 : 1)) },
    toReversed: { l: (v) => v.slice().reverse() },
    equals: { l: same, m: same, s: same, n: same },
    equalsIgnoreCase: { s: (v, x) => typeof x === 'string' && v.toLowerCase() === x.toLowerCase() },
    replace: { s: (v, a, b) => v.split(a).join(b), m: (v, k, x) => { if (own(v, k)) v[k] = x; } },
    replaceAll: { s: (v, a, b) => v.replace(expression(a, 'g'), b) },
    replaceFirst: { s: (v, a, b) => v.replace(expression(a, ''), b) },
    matches: { s: (v, a) => expression('^(?:' + a + ')$', '').test(v) },
    split: {
      s: (v, a, most) => {
        const all = v === '' ? [''] : v.split(expression(a, ''));
        if (most > 0 && all.length > most) return all.slice(0, most - 1).concat(v.slice(all.slice(0, most - 1).join('.').length + 1));
        while (all.length > 1 && all[all.length - 1] === '') all.pop();
        return all;
      },
    },
    toString: { l: written, m: written, s: (v) => v, n: (v, radix) => typeof v === 'number' && radix ? v.toString(radix) : written(v) },
    intValue: { n: (v) => Math.trunc(v) },
    longValue: { n: (v) => Math.trunc(v) },
    doubleValue: { n: (v) => +v },
    floatValue: { n: (v) => Math.fround(v) },
  };
  for (const name of Object.keys(methods)) {
    const of = methods[name];
    const call = function (...given) {
      const self = this; // Not wrapped, as this is strict.
      // What a script put there itself comes first.
      if (kind(self) === 'm' && own(self, name) && typeof self[name] === 'function') return self[name](...given);
      const does = of[kind(self)];
      if (does) return does(self, ...given);
      return typeof self[name] === 'function' ? self[name](...given) : missing(name, self);
    };
    hide(Object.prototype, '$' + name, call);
  }
  // The same without brackets (`list.size`): a member of that name comes first.
  for (const name of ['size', 'keys', 'empty']) {
    Object.defineProperty(Object.prototype, '$_' + name, {
      configurable: true,
      get() {
        if (isMap(this) && own(this, name)) return this[name];
        return name === 'keys' ? Object.keys(this) : name === 'size' ? size(this) : size(this) === 0;
      },
    });
  }

  // ---- times
  // Six or nine digits of a second are cut to three, and `+0000` is a zone; what is no time is an error, as in Java.
  const Native = global.Date;
  const moment = (text) => {
    const tidy = text.trim().replace(/(\.\d{3})\d+/, '$1').replace(/([+-]\d\d)(\d\d)$/, '$1:$2').replace(/([+-]\d\d)$/, (z, _, at) => at > 10 ? z + ':00' : z);
    const ms = Native.parse(tidy);
    return Number.isNaN(ms) ? fail('not a time: ' + text) : ms;
  };
  class Moment extends Native {
    constructor(...given) {
      if (given.length === 1 && typeof given[0] === 'string') super(moment(given[0]));
      else if (given.length > 1) super(Native.UTC(...given));
      else super(...given);
    }
    static parse(text) { return moment(String(text)); }
  }
  const kindOf = (test) => Object.defineProperty(function () {}, Symbol.hasInstance, { value: test });

  give({
    Date: Moment,
    decodeToString: (v) => utf8(list(v)),
    bytesToString: (v, charset) => latin(charset) ? list(v).map((b) => String.fromCharCode(b & 255)).join('') : utf8(list(v)),
    decodeToJson: (v) => JSON.parse(Array.isArray(v) ? utf8(v) : v),
    stringToBytes: (v, charset) => latin(charset) ? [...v].map((c) => signed(c.charCodeAt(0))) : toUtf8(v),
    atob: (v) => utf8(base64ToBytes(v)),
    btoa: (v) => bytesToBase64(toUtf8(v)),
    base64ToBytes, bytesToBase64, bytesToHex, hexToBytes,
    base64ToHex: (v) => bytesToHex(base64ToBytes(v)),
    base64ToBytesList: base64ToBytes,
    bytesToExecutionArrayList: (v) => holdBytes.has(v) ? asBytes(v.slice()) : list(v).slice(),
    printUnsignedBytes: (v) => list(v).map((b) => b & 255),
    parseInt: (v, radix) => whole(v, radix, true, 32),
    parseLong: (v, radix) => whole(v, radix, true, 64),
    parseFloat: (v) => v == null || String(v).trim() === '' ? null : single(Math.fround(number(Number(plain(v)), 'not a number: ' + v))),
    parseDouble: (v) => v == null || String(v).trim() === '' ? null : number(Number(plain(v)), 'not a number: ' + v),
    parseHexToInt: (v, big) => whole(v, 16, big, 32),
    parseBigEndianHexToInt: (v) => whole(v, 16, true, 32),
    parseLittleEndianHexToInt: (v) => whole(v, 16, false, 32),
    parseHexToLong: (v, big) => whole(v, 16, big, 64),
    parseBigEndianHexToLong: (v) => whole(v, 16, true, 64),
    parseLittleEndianHexToLong: (v) => whole(v, 16, false, 64),
    parseHexToFloat: (v, big) => parseBytesToFloat(hexToBytes(v), 0, 4, big),
    parseBigEndianHexToFloat: (v) => parseBytesToFloat(hexToBytes(v), 0, 4),
    parseLittleEndianHexToFloat: (v) => parseBytesToFloat(hexToBytes(v), 0, 4, false),
    parseHexToDouble: (v, big) => parseBytesToDouble(hexToBytes(v), 0, 8, big),
    parseBytesToInt, parseBytesToLong,
    parseBytesIntToFloat: (b, o, n, e) => single(Math.fround(parseBytesToLong(part(b, o, n, e, 4)))),
    parseBytesLongToDouble: (b, o, n, e) => Number(view(part(b, o, n, e, 8), 8).getBigUint64(0)),
    parseBytesToFloat: (b, o, n, e) => single(number(view(part(b, o, n, e, 4), 4).getFloat32(0), 'bytes that are no number')),
    parseBytesToDouble: (b, o, n, e) => number(view(part(b, o, n, e, 8), 8).getFloat64(0), 'bytes that are no number'),
    parseByteToBinaryArray: (b, n, big) => {
      const bits = Array.from({ length: n === undefined ? 8 : n }, (_, i) => (b >> i) & 1);
      return big === false ? bits : bits.reverse();
    },
    parseBytesToBinaryArray: (b, n) => {
      const bits = list(b).flatMap((x) => ((x & 255) + 256).toString(2).slice(1).split('').map(Number));
      return n === undefined ? bits : bits.slice(bits.length - n);
    },
    parseBinaryArrayToInt: (b, o, n) => parseInt0(list(b).slice(o || 0, n === undefined ? undefined : (o || 0) + n).join(''), 2),
    toFixed,
    toInt: (v) => toFixed(v, 0),
    intToHex: (v, big, prefix, n) => hexOf(v, big, prefix, n, 8),
    longToHex: (v, big, prefix, n) => hexOf(v, big, prefix, n, 16),
    toFlatMap: (v, a, b) => flat(v, {}, Array.isArray(a) ? a : [], '', Array.isArray(a) ? b !== false : a !== false),
    isBinary: (v) => /^[01]+$/.test(v) ? 2 : -1,
    isOctal: (v) => /^[0-7]+$/.test(v) ? 8 : -1,
    isDecimal: (v) => /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(v) ? 10 : -1,
    isHexadecimal: (v) => /^-?(0[xX])?[0-9a-fA-F]+$/.test(v) ? 16 : -1,
    isNaN: (v) => Number.isNaN(Number(v)),
    isString: (v) => typeof v === 'string',
    isNumber: (v) => typeof v === 'number',
    isBoolean: (v) => typeof v === 'boolean',
    isArray: (v) => Array.isArray(v),
    isList: (v) => Array.isArray(v),
    isMap: (v) => isMap(v),
    raiseError: (words, value) => fail(value == null ? String(words) : words + ' for value ' + written(value)),
    $char: (v) => typeof v === 'string' ? v[0] : String.fromCharCode(v),
    $long: (v) => Math.trunc(v),
    $short: (v) => (v << 16) >> 16,
    $byte: signed,
    $float: (v) => single(Math.fround(v)),
    $share: (of, i, by) => holdBytes.has(of) ? signed(Math.trunc(of[i] / by)) : of[i] / by,
    $fraction: (v) => typeof v === 'number' && Number.isInteger(v) && Math.abs(v) < 1e7 ? v + '.0' : v,
    $payload: (bytes) => asBytes(bytes.map(signed)),
    $newArray: (n) => Array.from({ length: n }, () => 0),
    $each: (v) => Array.isArray(v) ? v.slice() : typeof v === 'string' ? v : isMap(v) ? Object.values(v) : fail('nothing to go through: ' + v),
    $Arrays: {
      copyOfRange: (v, a, b) => {
        if (a > v.length || a > b) fail('no bytes ' + a + ' to ' + b + ' of ' + v.length);
        const taken = Array.from({ length: b - a }, (_, i) => v[a + i] ?? 0);
        return holdBytes.has(v) ? asBytes(taken) : taken;
      },
      asList: (...v) => v.length === 1 && Array.isArray(v[0]) ? v[0].slice() : v,
      toString: (v) => '[' + v.join(', ') + ']',
    },
    $ArrayList: kindOf((v) => Array.isArray(v)),
    $List: kindOf((v) => Array.isArray(v)),
    $Map: kindOf(isMap),
    $HashMap: kindOf(isMap),
    $LinkedHashMap: kindOf(isMap),
    $String: kindOf((v) => typeof v === 'string'),
    $Integer: kindOf((v) => Number.isInteger(v)),
    $Long: kindOf((v) => Number.isInteger(v)),
    $Double: kindOf((v) => typeof v === 'number'),
    $Float: kindOf((v) => typeof v === 'number'),
    $Number: kindOf((v) => typeof v === 'number'),
    $Boolean: kindOf((v) => typeof v === 'boolean'),
    $newList: (v) => v === undefined || typeof v === 'number' ? [] : list(v).slice(),
    $newMap: (v) => isMap(v) ? Object.assign({}, v) : {},
    Integer: {
      MIN_VALUE: -2147483648, MAX_VALUE: 2147483647,
      parseInt: (v, radix) => whole(v, radix || 10, true, 32), valueOf: (v, radix) => typeof v === 'number' ? Math.trunc(v) : whole(v, radix || 10, true, 32),
      toString: (v, radix) => v.toString(radix || 10), toHexString: (v) => (v >>> 0).toString(16), toBinaryString: (v) => (v >>> 0).toString(2),
    },
    Long: {
      MIN_VALUE: -9223372036854775808, MAX_VALUE: 9223372036854775807,
      parseLong: (v, radix) => whole(v, radix || 10, true, 64), valueOf: (v) => typeof v === 'number' ? Math.trunc(v) : whole(v, 10, true, 64),
      toString: (v, radix) => v.toString(radix || 10), toHexString: (v) => BigInt.asUintN(64, BigInt(v)).toString(16),
    },
    Double: { MAX_VALUE: Number.MAX_VALUE, MIN_VALUE: Number.MIN_VALUE, parseDouble: (v) => number(Number(v), 'not a number: ' + v), valueOf: (v) => number(Number(v), 'not a number: ' + v), isNaN: (v) => Number.isNaN(v), toString: written },
    Float: { MAX_VALUE: 3.4028234663852886e38, parseFloat: (v) => single(Math.fround(number(Number(v), 'not a number: ' + v))), isNaN: (v) => Number.isNaN(v), toString: written, intBitsToFloat: (v) => { const d = new DataView(new ArrayBuffer(4)); d.setInt32(0, v); return single(d.getFloat32(0)); } },
    Boolean: { parseBoolean: (v) => String(v).toLowerCase() === 'true', valueOf: (v) => String(v).toLowerCase() === 'true', TRUE: true, FALSE: false },
    Byte: { toUnsignedInt: (v) => v & 255, parseByte: (v, radix) => whole(v, radix || 10, true, 8) },
    Objects: { equals: same, isNull: (v) => v == null, nonNull: (v) => v != null, toString: written },
  });
  hide(String, 'format', format);
  hide(String, 'join', (by, items) => list(items).join(by));
  hide(String, 'valueOf', (v) => written(v));
  const { parseBytesToFloat, parseBytesToDouble } = global;
})(globalThis);
