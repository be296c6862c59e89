/** Reads a figure as people of the place write it: 1.234,5 as well as 1234.5. */
export function readNumber(words: string): number | undefined {
  const text = words.trim().replace(/\s/g, '')
  if (!text) return undefined
  const plain = text.includes(',') ? text.replace(/\./g, '').replace(',', '.') : /^\d{1,3}(\.\d{3})+$/.test(text) ? text.replace(/\./g, '') : text
  const n = Number(plain)
  return Number.isFinite(n) ? n : undefined
}
