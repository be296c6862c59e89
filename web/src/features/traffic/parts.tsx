import type { TrafficIncident, TrafficLevel, TrafficMeasure } from '@/api/traffic'
import { useT } from '@/i18n'
import { Badge, cx, format } from '@/ui'

/** A level in words, with a bar that is as full as the road: it does not hang on colour alone. */
export function LevelBadge({ level }: { level: TrafficLevel }) {
  const t = useT()
  return <span className={cx('level', `level-${level}`)}><span className="level-bar" aria-hidden />{t(`traffic:level.${level}`)}</span>
}

export function Legend() {
  const t = useT()
  return (
    <ul className="levels" aria-label={t('traffic:level.label')}>
      {(['free', 'slow', 'congested', 'jam', 'unknown'] as const).map(level => <li key={level}><LevelBadge level={level} /></li>)}
    </ul>
  )
}

/** A measured value in the words of people. */
export function useMeasured(): (measure: TrafficMeasure, value: number) => string {
  const t = useT()
  return (measure, value) => (measure === 'occupancy' ? format.percent(value) : t(`traffic:value.${measure}`, { n: format.number(value, 0) }))
}

/** Seconds as minutes. */
export function minutes(seconds: number): string {
  return format.number(seconds / 60, seconds < 600 ? 1 : 0)
}

export function IncidentWord({ incident }: { incident: TrafficIncident }) {
  const t = useT()
  if (incident.verdict) return <Badge tone={incident.verdict === 'real' ? 'critical' : 'info'}>{t(`traffic:verdict.${incident.verdict === 'real' ? 'real' : 'false'}`)}</Badge>
  if (incident.work) return <Badge tone="info">{t('traffic:incident.planned')}</Badge>
  return <Badge tone={incident.confirmed ? 'high' : 'low'}>{t(incident.confirmed ? 'traffic:incident.borne' : 'traffic:incident.alone')}</Badge>
}
