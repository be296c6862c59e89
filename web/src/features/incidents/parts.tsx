import { FlaskConical } from 'lucide-react'
import type { DispatchStamp, OpsTarget } from '@/api'
import { useT } from '@/i18n'
import { Badge, format } from '@/ui'

/** A drill says so wherever it is named: word, shape and colour. */
export function DrillBadge({ drill }: { drill: boolean }) {
  const t = useT()
  return drill ? <Badge tone="drill" icon={<FlaskConical size={14} aria-hidden />}>{t('incidents:drill')}</Badge> : null
}

/** Minutes and seconds of a stretch of time. */
export function clock(seconds: number): string {
  const all = Math.max(0, Math.round(seconds))
  const [h, m, s] = [Math.floor(all / 3600), Math.floor((all % 3600) / 60), all % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** A target with how far it is known: nothing unconfirmed may look official. */
export function TargetNote({ target }: { target?: OpsTarget | null | undefined }) {
  const t = useT()
  if (!target) return null
  return (
    <span className="small quiet">
      {t('incidents:chain.target', { p: target.percentile, time: clock(target.seconds) })} · {target.source_act} <Badge tone={target.status === 'confirmed' ? 'good' : 'high'}>{t(`incidents:status.${target.status}`)}</Badge>
    </span>
  )
}

export function Stamps({ stamps, sent }: { stamps: readonly DispatchStamp[]; sent: string }) {
  const t = useT()
  return (
    <ol className="stamps">
      <li><b>{t('incidents:stamp.sent')}</b> <time className="tnum">{format.time(sent)}</time></li>
      {stamps.map(stamp => (
        <li key={stamp.stamp}>
          <b>{t(`incidents:stamp.${stamp.stamp}`)}</b> <time className="tnum">{format.time(stamp.at)}</time>
          {stamp.typed ? <span className="small quiet"> {t('incidents:stamp.typed')}</span> : null}
        </li>
      ))}
    </ol>
  )
}
