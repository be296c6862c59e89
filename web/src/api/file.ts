/** Reads a file of the web's own build (texts): data, not script. */
export async function readOwnFile<T>(address: string): Promise<T> {
  const answer = await fetch(address, { credentials: 'same-origin' })
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`)
  return (await answer.json()) as T
}
