/** What this browser keeps of its own: JSON or plain words under a name. Private windows and full phones may refuse; then nothing is kept and nothing breaks. */
export function keptText(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined
  } catch {
    return undefined
  }
}

/** Whether it was kept. */
export function keepText(name: string, text: string): boolean {
  try {
    localStorage.setItem(name, text)
    return true
  } catch {
    return false
  }
}

export function kept<T>(name: string): T | undefined {
  try {
    return (JSON.parse(keptText(name) ?? 'null') as T | null) ?? undefined
  } catch {
    return undefined
  }
}

export function keep(name: string, value: unknown): boolean {
  return keepText(name, JSON.stringify(value))
}

export function forget(name: string): void {
  try {
    localStorage.removeItem(name)
  } catch {
    // What could not be kept need not be forgotten.
  }
}
