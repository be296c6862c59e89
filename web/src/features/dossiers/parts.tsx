import { CircleCheck, CirclePause, CircleX, Clock, Flame, Hourglass, Info } from 'lucide-react'
import type { DossierStanding, RuleMark } from '@/api'
import { useT } from '@/i18n'
import { Badge } from '@/ui'

const LOOK: Record<DossierStanding, [string, typeof Info]> = {
  'on-time': ['low', Clock],
  soon: ['high', Hourglass],
  waiting: ['waiting', CirclePause],
  overdue: ['critical', Flame],
  'ended-on-time': ['good', CircleCheck],
  'ended-late': ['medium', CircleX],
  'not-received': ['info', Info],
}

/** Colour, shape and word together. */
export function StandingBadge({ standing }: { standing: DossierStanding }) {
  const t = useT()
  const [tone, Icon] = LOOK[standing] ?? LOOK['not-received']
  return <Badge tone={tone} icon={<Icon size={15} strokeWidth={2.4} aria-hidden />}>{t(`dossiers:standing.${standing}`)}</Badge>
}

/** Where rules stand and how far they are known: nothing unconfirmed may look official. */
export function Marks({ marks, title }: { marks: readonly RuleMark[]; title: string }) {
  const t = useT()
  if (marks.length === 0) return null
  return (
    <details className="marks">
      <summary>{title}</summary>
      <ul>
        {marks.map(mark => (
          <li key={mark.of}>
            <Badge tone={mark.status === 'confirmed' ? 'good' : 'high'}>{t(`dossiers:status.${mark.status}`)}</Badge>
            <span>{mark.note || mark.of}{mark.source_act ? <span className="quiet"> · {mark.source_act}</span> : null}</span>
          </li>
        ))}
      </ul>
    </details>
  )
}

/** A share of the server's, in per cent already. */
export function perCent(value: number | null | undefined): number | undefined {
  return value == null ? undefined : value / 100
}
