import { describe, expect, it } from 'vitest'
import { photoPlace } from '../src/ui/exif'

/** A JPEG's beginning with an EXIF block that tells a place, in either byte order. */
function telling(little: boolean, degrees = [20, 39, 1234], ref = 'N'): Uint8Array {
  const tiff = new DataView(new ArrayBuffer(200))
  const u16 = (at: number, v: number) => tiff.setUint16(at, v, little)
  const u32 = (at: number, v: number) => tiff.setUint32(at, v, little)
  tiff.setUint16(0, little ? 0x4949 : 0x4d4d)
  u16(2, 42)
  u32(4, 8)
  u16(8, 1)
  u16(10, 0x8825); u16(12, 4); u32(14, 1); u32(18, 26)
  u16(26, 4)
  const entry = (n: number, tag: number, kind: number, count: number) => { const at = 28 + 12 * n; u16(at, tag); u16(at + 2, kind); u32(at + 4, count); return at + 8 }
  tiff.setUint8(entry(0, 1, 2, 2), ref.charCodeAt(0))
  u32(entry(1, 2, 5, 3), 100)
  tiff.setUint8(entry(2, 3, 2, 2), 'E'.charCodeAt(0))
  u32(entry(3, 4, 5, 3), 130)
  degrees.forEach((v, i) => { u32(100 + 8 * i, v); u32(104 + 8 * i, i === 2 ? 100 : 1) })
  ;[106, 3, 0].forEach((v, i) => { u32(130 + 8 * i, v); u32(134 + 8 * i, 1) })
  const body = [0x45, 0x78, 0x69, 0x66, 0, 0, ...new Uint8Array(tiff.buffer)]
  const length = body.length + 2
  return Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 1, 0xff, 0xe1, length >> 8, length & 255, ...body, 0xff, 0xda, 0, 2])
}
const told = (bytes: Uint8Array) => photoPlace(new Blob([bytes as BlobPart]))

describe('the place in a photo', () => {
  it.each([true, false])('is read in either byte order (little: %s)', async little => {
    const place = await told(telling(little))
    expect(place?.lat).toBeCloseTo(20.653428, 5)
    expect(place?.lon).toBeCloseTo(106.05, 5)
  })
  it('may lie in the south, and a place of zeros is none', async () => {
    expect((await told(telling(true, [20, 39, 1234], 'S')))?.lat).toBeCloseTo(-20.653428, 5)
    expect((await told(telling(true, [0, 0, 0])))?.lat).toBe(0)
  })
  it('is not there in other files, and damaged notes harm nobody', async () => {
    const whole = telling(false)
    expect(await told(new Uint8Array(0))).toBeUndefined()
    expect(await told(Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 3, 4, 5, 6]))).toBeUndefined()
    for (let cut = 0; cut < whole.length; cut += 3) await told(whole.slice(0, cut))
    for (let at = 10; at < whole.length; at += 1) await told(whole.map((v, i) => (i === at ? 255 : v)))
  })
})
