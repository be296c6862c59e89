import { beforeAll, describe, expect, it } from 'vitest'
import i18next from 'i18next'
import en from '../src/i18n/en/common.json'
import vi from '../src/i18n/vi/common.json'
import * as format from '../src/ui/format'

beforeAll(async () => {
  await i18next.init({ lng: 'vi', fallbackLng: false, defaultNS: 'common', resources: { vi: { common: vi }, en: { common: en } }, interpolation: { escapeValue: false } })
})

const NOW = Date.parse('2026-11-21T03:00:00Z')

describe('Vietnamese', () => {
  it('writes numbers, money and dates as the country does', () => {
    expect(format.number(1234.5)).toBe('1.234,5')
    expect(format.percent(0.934)).toBe('93%')
    expect(format.money(1_500_000).replace(/\s/g, ' ')).toBe('1.500.000 ₫')
    expect(format.date('2026-11-21T03:00:00Z')).toBe('21/11/2026')
    expect(format.dateTime('2026-11-20T18:30:00Z')).toBe('01:30 · 21/11/2026')
  })
  it('shows a dash for what is not known, never zero', () => {
    expect(format.number(undefined)).toBe('–')
    expect(format.number(Number.NaN)).toBe('–')
    expect(format.date('not a date')).toBe('–')
    expect(format.date(null)).toBe('–')
  })
  it('says spans in at most two units', () => {
    expect(format.span(0)).toBe('0 phút')
    expect(format.span(80)).toBe('1 giờ 20 phút')
    expect(format.span(1440 + 125)).toBe('1 ngày 2 giờ')
    expect(format.span(1440 * 12 + 60)).toBe('12 ngày')
  })
  it('says how long ago', () => {
    expect(format.ago(NOW - 20_000, NOW)).toBe('vừa xong')
    expect(format.ago(NOW - 5 * 60_000, NOW)).toBe('5 phút trước')
    expect(format.ago(NOW - 3.4 * 3_600_000, NOW)).toBe('3 giờ trước')
    expect(format.ago(NOW - 9 * 86_400_000, NOW)).toBe('12/11/2026')
  })
  it('says what a due time means', () => {
    expect(format.due(NOW + 3 * 3_600_000, undefined, NOW)).toMatchObject({ words: 'còn 3 giờ', urgency: 'soon' })
    expect(format.due(NOW + 3 * 86_400_000, undefined, NOW).urgency).toBe('calm')
    expect(format.due(NOW - 3_600_000, undefined, NOW)).toMatchObject({ words: 'quá hạn 1 giờ', urgency: 'late' })
    expect(format.due(NOW, NOW - 60_000, NOW)).toMatchObject({ words: 'đúng hạn', urgency: 'done' })
    expect(format.due(NOW, NOW + 3_600_000, NOW).words).toBe('trễ 1 giờ')
  })
  it('folds for search', () => {
    expect(format.fold('Thái Bình')).toBe('thai binh')
    expect(format.fold('ĐƯỜNG Đê')).toBe('duong de')
    expect(format.fold('Thái Bình'.normalize('NFD'))).toBe('thai binh')
  })
})

describe('English', () => {
  it('follows the language of the moment', async () => {
    await i18next.changeLanguage('en')
    expect(format.number(1234.5)).toBe('1,234.5')
    expect(format.date('2026-11-21T03:00:00Z')).toBe('21/11/2026')
    expect(format.span(61)).toBe('1 hour 1 minute')
    expect(format.ago(NOW - 2 * 3_600_000, NOW)).toBe('2 hours ago')
    await i18next.changeLanguage('vi')
  })
})
