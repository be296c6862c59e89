/** Numbers, dates and spans as people of the place write them: 1.234,5 · 21/11/2026 · còn 3 giờ. */
import { language, text } from '@/i18n'

const ZONE = 'Asia/Ho_Chi_Minh'
const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>()

function locale(): string {
  return language() === 'en' ? 'en-GB' : 'vi-VN'
}
function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${locale()}${JSON.stringify(options)}`
  const found = (made.get(key) as Intl.NumberFormat | undefined) ?? new Intl.NumberFormat(locale(), options)
  made.set(key, found)
  return found
}
function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${locale()}${JSON.stringify(options)}`
  const found = (made.get(key) as Intl.DateTimeFormat | undefined) ?? new Intl.DateTimeFormat(locale(), { timeZone: ZONE, ...options })
  made.set(key, found)
  return found
}

export type Moment = string | number | Date
const NOTHING = '–'

function asDate(at: Moment | undefined | null): Date | undefined {
  if (at === undefined || at === null || at === '') return undefined
  const date = at instanceof Date ? at : new Date(at)
  return Number.isNaN(date.getTime()) ? undefined : date
}

export function number(value: number | undefined | null, digits = 1): string {
  return value === undefined || value === null || !Number.isFinite(value) ? NOTHING : numbers({ maximumFractionDigits: digits }).format(value)
}
export function percent(share: number | undefined | null, digits = 0): string {
  return share === undefined || share === null || !Number.isFinite(share) ? NOTHING : numbers({ style: 'percent', maximumFractionDigits: digits }).format(share)
}
/** Whole đồng: 1.500.000 ₫. */
export function money(dong: number): string {
  return numbers({ style: 'currency', currency: 'VND', maximumFractionDigits: 0 }).format(dong)
}
/** A month (`2026-11`) as people write it. */
export function month(key: string): string {
  const [year = '', number = ''] = key.split('-')
  return `${number}/${year}`
}
export function date(at: Moment | undefined | null): string {
  const d = asDate(at)
  return d ? dates({ day: '2-digit', month: '2-digit', year: 'numeric' }).format(d) : NOTHING
}
export function time(at: Moment | undefined | null): string {
  const d = asDate(at)
  return d ? dates({ hour: '2-digit', minute: '2-digit', hour12: false }).format(d) : NOTHING
}
export function dateTime(at: Moment | undefined | null): string {
  return asDate(at) ? `${time(at)} · ${date(at)}` : NOTHING
}
export function dayMonth(at: Moment | undefined | null): string {
  const d = asDate(at)
  return d ? dates({ day: '2-digit', month: '2-digit' }).format(d) : NOTHING
}
export function weekday(at: Moment | undefined | null): string {
  const d = asDate(at)
  return d ? dates({ weekday: 'long', day: '2-digit', month: '2-digit', year: 'numeric' }).format(d) : NOTHING
}

/** "3 giờ 20 phút", two units at most: what a person can take in. */
export function span(minutes: number): string {
  const whole = Math.max(0, Math.round(minutes))
  const days = Math.floor(whole / 1440)
  const hours = Math.floor((whole % 1440) / 60)
  const rest = whole % 60
  const parts: string[] = []
  if (days) parts.push(text('time.days', { count: days, n: days }))
  if (hours && days < 10) parts.push(text('time.hours', { count: hours, n: hours }))
  if (rest && !days) parts.push(text('time.minutes', { count: rest, n: rest }))
  return parts.slice(0, 2).join(' ') || text('time.minutes', { count: 0, n: 0 })
}

/** "5 phút trước"; beyond a week the date itself. */
export function ago(at: Moment | undefined | null, now: number = Date.now()): string {
  const d = asDate(at)
  if (!d) return NOTHING
  const minutes = (now - d.getTime()) / 60_000
  if (minutes < 1) return text('time.now')
  if (minutes > 7 * 1440) return date(d)
  const shown = minutes >= 1440 ? Math.floor(minutes / 1440) * 1440 : minutes >= 60 ? Math.floor(minutes / 60) * 60 : minutes
  return text('time.ago', { span: span(shown) })
}

export type Urgency = 'calm' | 'soon' | 'late' | 'done'

/** What a due time means now. */
export function due(at: Moment | undefined | null, closedAt?: Moment | null, now: number = Date.now()): { words: string; urgency: Urgency; minutes: number } {
  const d = asDate(at)
  if (!d) return { words: NOTHING, urgency: 'calm', minutes: 0 }
  const closed = asDate(closedAt)
  const minutes = (d.getTime() - (closed?.getTime() ?? now)) / 60_000
  if (closed) return { words: text(minutes >= 0 ? 'time.in_time' : 'time.was_late', { span: span(-minutes) }), urgency: 'done', minutes }
  if (minutes < 0) return { words: text('time.late', { span: span(-minutes) }), urgency: 'late', minutes }
  return { words: text('time.left', { span: span(minutes) }), urgency: minutes < 480 ? 'soon' : 'calm', minutes }
}

/** For search without diacritics: "thai binh" finds "Thái Bình". */
export function fold(words: string): string {
  return words.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/đ/g, 'd').replace(/Đ/g, 'D').toLowerCase()
}
