/**
 * Reads the map's wire format, version 1 (docs/features/map.md), into columns. A sheet is changed in place by what changed since;
 * what it touched is told, so that only that is drawn anew.
 */

/** Degrees per unit. */
export const SCALE = 1e5
export const OK = 0
export const SILENT = 1
export const UNKNOWN = 2
/** Kinds of value. */
export const NONE = 0
export const NUMBER = 1
export const WORD = 2

export class WireError extends Error {}

class Reader {
  private at = 0
  private readonly utf8 = new TextDecoder()
  constructor(private readonly bytes: Uint8Array) {}

  byte(): number {
    const byte = this.bytes[this.at++]
    if (byte === undefined) throw new WireError('the answer ends too soon')
    return byte
  }
  /** Up to 2^53: beyond 31 bits by multiplying, since bit operations end there. */
  number(): number {
    let [n, place] = [0, 1]
    for (;;) {
      const byte = this.byte()
      n += (byte & 127) * place
      if (byte < 128) return n
      place *= 128
    }
  }
  signed(): number {
    const n = this.number()
    return n % 2 === 0 ? n / 2 : -(n + 1) / 2
  }
  take(length: number): Uint8Array {
    const end = this.at + length
    if (end > this.bytes.length) throw new WireError('the answer ends too soon')
    const part = this.bytes.subarray(this.at, end)
    this.at = end
    return part
  }
  text(): string {
    return this.utf8.decode(this.take(this.number()))
  }
  head(): Head {
    if (this.utf8.decode(this.take(4)) !== 'DTM1') throw new WireError('another format')
    const [kind, epoch, version, digits] = [this.byte(), this.number(), this.number(), this.byte()]
    return { kind, epoch, version, digits, words: Array.from({ length: this.number() }, () => this.text()) }
  }
  ids(n: number): string[] {
    let before = new Uint8Array(0)
    return Array.from({ length: n }, () => {
      const [shared, own] = [this.number(), this.number()]
      const id = new Uint8Array(shared + own)
      id.set(before.subarray(0, shared))
      id.set(this.take(own), shared)
      before = id
      return this.utf8.decode(id)
    })
  }
  done(): void {
    if (this.at !== this.bytes.length) throw new WireError('the answer is longer than it says')
  }
}

interface Head {
  kind: number
  epoch: number
  version: number
  digits: number
  words: string[]
}

/** All things of a layer in columns; a thing keeps its row. */
export class Sheet {
  epoch = 0
  version = 0
  digits = 0
  words: string[] = []
  ids: string[] = []
  /** State in bits 0–1, kind of value in 2–3, gone in 4, doubtful in 5. */
  flags = new Uint8Array(0)
  lon = new Int32Array(0)
  lat = new Int32Array(0)
  /** A number without its decimal point, or the number of a word. */
  values = new Float64Array(0)
  private rows = new Map<string, number>()

  get since(): string | undefined {
    return this.epoch === 0 ? undefined : `${this.epoch}.${this.version}`
  }

  row(id: string): number | undefined {
    return this.rows.get(id)
  }

  gone(row: number): boolean {
    return ((this.flags[row] ?? 0) & 16) !== 0
  }

  /** Takes a snapshot or changes; the rows touched, or `all`. */
  take(bytes: Uint8Array): 'all' | number[] {
    const reader = new Reader(bytes)
    const head = reader.head()
    if (head.kind === 1) {
      const n = reader.number()
      this.ids = reader.ids(n)
      this.grow(n, false)
      this.rows = new Map(this.ids.map((id, row) => [id, row]))
      this.columns(reader, Array.from({ length: n }, (_, row) => row))
      this.adopt(reader, head)
      return 'all'
    }
    if (head.kind !== 2) throw new WireError('neither a snapshot nor changes')
    const [since, known, fresh, count] = [reader.number(), reader.number(), reader.number(), reader.number()]
    if (head.epoch !== this.epoch || since !== this.version || known !== this.ids.length) throw new WireError('changes of another state')
    const touched = gaps(reader, count)
    for (const id of reader.ids(fresh)) {
      this.rows.set(id, this.ids.length)
      touched.push(this.ids.length)
      this.ids.push(id)
    }
    this.grow(this.ids.length, true)
    this.columns(reader, touched)
    this.adopt(reader, head)
    return touched
  }

  private adopt(reader: Reader, head: Head): void {
    reader.done()
    this.epoch = head.epoch
    this.version = head.version
    this.digits = head.digits
    this.words = head.words
  }

  private grow(n: number, keep: boolean): void {
    if (keep && n <= this.flags.length) return
    // Room for some more, so that a growing layer is not copied each time.
    const room = keep ? Math.ceil(n * 1.2) : n
    const [flags, lon, lat, values] = [new Uint8Array(room), new Int32Array(room), new Int32Array(room), new Float64Array(room)]
    if (keep) {
      flags.set(this.flags)
      lon.set(this.lon)
      lat.set(this.lat)
      values.set(this.values)
    }
    ;[this.flags, this.lon, this.lat, this.values] = [flags, lon, lat, values]
  }

  private columns(reader: Reader, rows: readonly number[]): void {
    for (const row of rows) this.flags[row] = reader.byte()
    for (const column of [this.lon, this.lat]) {
      let at = 0
      for (const row of rows) column[row] = at += reader.signed()
    }
    for (const row of rows) {
      const kind = ((this.flags[row] ?? 0) >> 2) & 3
      this.values[row] = kind === NUMBER ? reader.signed() : kind === WORD ? reader.number() : 0
    }
  }
}

/** Row numbers as the distances between them. */
function gaps(reader: Reader, count: number): number[] {
  let next = 0
  return Array.from({ length: count }, () => {
    const row = next + reader.number()
    next = row + 1
    return row
  })
}

interface Frame {
  rows: number[]
  kinds: Uint8Array
  values: Float64Array
}

/** A stretch of the past: values at moments at equal distances, played forwards and backwards. */
export class Past {
  readonly epoch: number
  readonly digits: number
  readonly words: string[]
  readonly start: number
  readonly step: number
  readonly kinds: Uint8Array
  readonly values: Float64Array
  private readonly frames: Frame[] = []
  private shown = -1

  constructor(bytes: Uint8Array) {
    const reader = new Reader(bytes)
    const head = reader.head()
    if (head.kind !== 3) throw new WireError('no frames')
    this.epoch = head.epoch
    this.digits = head.digits
    this.words = head.words
    const [rows, count] = [reader.number(), reader.number()]
    this.start = reader.signed()
    this.step = reader.signed()
    this.kinds = new Uint8Array(rows)
    this.values = new Float64Array(rows)
    const last = new Float64Array(rows)
    for (let n = 0; n < count; n++) {
      const numbers = gaps(reader, reader.number())
      const kinds = Uint8Array.from(numbers, () => reader.byte())
      const values = new Float64Array(numbers.length)
      numbers.forEach((row, i) => {
        const kind = kinds[i]
        if (kind === NUMBER) values[i] = last[row] = (last[row] ?? 0) + reader.signed()
        else if (kind === WORD) values[i] = reader.number()
      })
      this.frames.push({ rows: numbers, kinds, values })
    }
    reader.done()
  }

  get count(): number {
    return this.frames.length
  }

  /** The frame that stands at an instant (ms). */
  at(time: number): number {
    return this.step === 0 ? 0 : Math.max(0, Math.min(this.count - 1, Math.floor((time - this.start) / this.step + 1e-6)))
  }

  /** Goes to a frame; the rows that may be others now. */
  show(frame: number): Set<number> {
    const touched = new Set<number>()
    if (frame < this.shown) {
      this.kinds.forEach((kind, row) => kind !== NONE && touched.add(row))
      this.kinds.fill(NONE)
      this.shown = -1
    }
    while (this.shown < frame) {
      const { rows, kinds, values } = this.frames[++this.shown] ?? { rows: [], kinds: new Uint8Array(0), values: new Float64Array(0) }
      rows.forEach((row, i) => {
        this.kinds[row] = kinds[i] ?? NONE
        this.values[row] = values[i] ?? 0
        touched.add(row)
      })
    }
    return touched
  }
}
