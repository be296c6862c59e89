/** The only place that talks HTTP. `call()` sends and reads JSON, carries the CSRF token and turns every failure into an `ApiError`. */

export class ApiError extends Error {
  constructor(
    /** Stable dotted code, also the key of its text in i18n (`errors.<code>`). */
    readonly code: string,
    readonly status: number,
    readonly detail?: string,
    /** Seconds to wait, for 429 and 503. */
    readonly retryAfter?: number,
    /** What the server adds for this code: `reason`, `limit`, `by` … */
    readonly more: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail ?? code)
    this.name = 'ApiError'
  }

  /** The network, not the server, said no: the work can be kept and sent later. */
  get offline(): boolean {
    return this.code === 'net.offline' || this.code === 'net.timeout'
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  query?: Query
  /** Sent as JSON. */
  json?: unknown
  form?: FormData
  /** Sent as it is. */
  file?: Blob
  /** The answer is taken as bytes, not as JSON. */
  blob?: boolean
  headers?: Record<string, string>
  signal?: AbortSignal
  timeoutMs?: number
}

let csrf: string | undefined

/** Remembers the token that `/api/access/me` gave; every unsafe call carries it. */
export function setCsrf(token: string | undefined): void {
  csrf = token
}

export function address(path: string, query?: Query): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined && value !== null && value !== '') search.set(key, String(value))
  const tail = search.toString()
  return tail ? `${path}?${tail}` : path
}

export async function call<T>(path: string, options: Call = {}): Promise<T> {
  const response = await ask(path, options)
  if (response.status === 204) return undefined as T
  if (options.blob) return (await response.blob()) as T
  return (await response.json()) as T
}

/** Bytes as they come; none for 204. */
export async function callBytes(path: string, options: Call = {}): Promise<Uint8Array | undefined> {
  const response = await ask(path, { ...options, headers: { Accept: 'application/octet-stream', ...options.headers } })
  return response.status === 204 ? undefined : new Uint8Array(await response.arrayBuffer())
}

async function ask(path: string, options: Call): Promise<Response> {
  const method = options.method ?? (options.json !== undefined || options.form || options.file ? 'POST' : 'GET')
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers }
  if (options.json !== undefined) headers['Content-Type'] = 'application/json'
  if (options.file) headers['Content-Type'] = 'application/octet-stream'
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf
  const limit = AbortSignal.timeout(options.timeoutMs ?? (options.form ? 90_000 : 20_000))
  const init: RequestInit = { method, headers, credentials: 'same-origin', signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit }
  const body = options.form ?? options.file ?? (options.json === undefined ? undefined : JSON.stringify(options.json))
  if (body !== undefined) init.body = body
  let response: Response
  try {
    response = await fetch(address(path, options.query), init)
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw new ApiError(limit.aborted ? 'net.timeout' : 'net.offline', 0)
  }
  if (!response.ok) throw await failure(response)
  return response
}

async function failure(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get('Retry-After') ?? '') || undefined
  try {
    const problem = (await response.json()) as Record<string, unknown> & { code?: string; detail?: string; title?: string }
    return new ApiError(problem.code ?? `http.${response.status}`, response.status, problem.detail ?? problem.title, wait, problem)
  } catch {
    return new ApiError(`http.${response.status}`, response.status, undefined, wait)
  }
}
