import { CircleCheck, CircleDashed, CircleX, Clock, TriangleAlert } from 'lucide-react'
import type { Indicator, IndicatorValue, ShownValue, Standing, Stated, ValueStatus } from '@/api'
import { useT } from '@/i18n'
import { Badge, format } from '@/ui'

export const STANDINGS: readonly Standing[] = ['met', 'near', 'behind', 'no-data']
export const STANDING_TONE: Record<Standing, string> = { met: 'good', near: 'medium', behind: 'critical', 'no-data': 'info' }
const ICON = { met: CircleCheck, near: TriangleAlert, behind: CircleX, 'no-data': CircleDashed }

export function StandingIcon({ standing, size = 15 }: { standing: Standing; size?: number }) {
  const Icon = ICON[standing]
  return <Icon size={size} strokeWidth={2.4} aria-hidden />
}

export function StandingBadge({ standing }: { standing: Standing }) {
  const t = useT()
  return <Badge tone={STANDING_TONE[standing]} icon={<StandingIcon standing={standing} />}>{t(`lead:standing.${standing}`)}</Badge>
}

/** A cell of the act, word for word: "≥ 50", "Có", "Chưa triển khai" are never turned into a figure. */
export function StatedText({ stated, unit }: { stated: Stated; unit?: string }) {
  const figure = stated.kind === 'number' || stated.kind === 'at-least'
  if (!stated.text) return <span className="quiet">–</span>
  return <span className={figure ? 'tnum nowrap' : 'stated-words'}>{stated.text}{figure && unit === '%' ? ' %' : ''}</span>
}

/** The value with its unit; without one it says so. */
export function valueText(value: Pick<ShownValue, 'number' | 'text'> | undefined, unit: string): string | undefined {
  if (!value) return undefined
  if (value.number !== undefined) return `${format.number(value.number, 2)}${unit === '%' ? ' %' : ''}`
  return value.text
}

export function settledText(value: IndicatorValue, t: (key: string) => string): string {
  if (value.yes_no !== undefined) return t(value.yes_no ? 'lead:yes' : 'lead:no')
  return valueText({ ...(value.number === undefined ? {} : { number: value.number }) }, value.unit) ?? '–'
}

export function StatusBadge({ status }: { status: ValueStatus }) {
  const t = useT()
  const tone = { pending: 'waiting', approved: 'good', computed: 'low', rejected: 'critical', superseded: 'info' }[status]
  return <Badge tone={tone} icon={status === 'pending' ? <Clock size={14} aria-hidden /> : undefined}>{t(`lead:status.${status}`)}</Badge>
}

export function FormulaBadge({ indicator }: { indicator: Pick<Indicator, 'formula_status' | 'proxy'> }) {
  const t = useT()
  return (
    <>
      <Badge tone={indicator.formula_status === 'official' ? 'good' : 'info'}>{t(`lead:formula.${indicator.formula_status}`)}</Badge>
      {indicator.proxy ? <Badge tone="medium">{t('lead:formula.proxy')}</Badge> : null}
    </>
  )
}
