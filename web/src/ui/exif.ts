/** Where and when a photo says it was taken. The picture is drawn anew before it is sent, so what the camera noted is read here first. */

export interface Told {
  lon: number
  lat: number
}

const GPS = 0x8825

/** The place noted in a JPEG's EXIF block; nothing for other files, damaged blocks and photos without a place. */
export async function photoPlace(file: Blob): Promise<Told | undefined> {
  // The block stands at the beginning and is 64 KiB at most.
  const view = new DataView(await file.slice(0, 256 * 1024).arrayBuffer())
  try {
    return read(view)
  } catch (cause) {
    // A position outside the block: the photo's notes are damaged.
    if (cause instanceof RangeError) return undefined
    throw cause
  }
}

function read(view: DataView): Told | undefined {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return undefined
  for (let at = 2; at + 4 < view.byteLength; ) {
    const marker = view.getUint16(at)
    const length = view.getUint16(at + 2)
    if ((marker & 0xff00) !== 0xff00 || marker === 0xffda || length < 2) return undefined
    // "Exif" and two zeros, then the TIFF header that all positions count from.
    if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966) return tiff(view, at + 10)
    at += 2 + length
  }
  return undefined
}

function tiff(view: DataView, start: number): Told | undefined {
  const order = view.getUint16(start)
  if (order !== 0x4949 && order !== 0x4d4d) return undefined
  const little = order === 0x4949
  const short = (at: number) => view.getUint16(start + at, little)
  const long = (at: number) => view.getUint32(start + at, little)
  const entries = (at: number) => Array.from({ length: Math.min(short(at), 200) }, (_, i) => at + 2 + 12 * i)
  const pointer = entries(long(4)).find(entry => short(entry) === GPS)
  if (pointer === undefined) return undefined
  const found = new Map(entries(long(pointer + 8)).map(entry => [short(entry), entry]))
  const sign = (tag: number, negative: string) => (String.fromCharCode(view.getUint8(start + (found.get(tag) ?? 0) + 8)) === negative ? -1 : 1)
  const degrees = (tag: number) => {
    const entry = found.get(tag)
    if (entry === undefined || long(entry + 4) !== 3) return NaN
    const at = long(entry + 8)
    const part = (n: number) => long(at + 8 * n) / long(at + 8 * n + 4)
    return part(0) + part(1) / 60 + part(2) / 3600
  }
  const lat = degrees(2) * sign(1, 'S')
  const lon = degrees(4) * sign(3, 'W')
  // Phones without a fix write zeros.
  return Number.isFinite(lat) && Number.isFinite(lon) && Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && (lat !== 0 || lon !== 0) ? { lon, lat } : undefined
}
