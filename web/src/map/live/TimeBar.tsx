import { ChevronLeft, ChevronRight, History, Pause, Play, RotateCcw } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useAlarms } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, format, Select, SeverityIcon } from '@/ui'

const HOUR = 3_600_000
const MINUTE = 60_000
const SPEEDS = [1, 2, 4, 8] as const
/** Dates are shown in the place's time, which knows no summer time; the field for entering one has to agree. */
const OFFSET = 7 * HOUR

export interface Moment {
  /** The hour that is looked at, and the instant within it (ms). */
  from: number
  to: number
  time: number
}

const field = (ms: number) => new Date(ms + OFFSET).toISOString().slice(0, 16)

/** The hour that ends at the next full minute after an instant. */
export function hourOf(time: number): Moment {
  const to = Math.ceil(time / MINUTE) * MINUTE
  return { from: to - HOUR, to, time: Math.floor(time / MINUTE) * MINUTE }
}

interface Props {
  moment: Moment | undefined
  onMoment: (moment: Moment | undefined) => void
  busy: boolean
}

/** The way into the past and through it: hour, minute, playing, alarms to jump to. */
export function TimeBar({ moment, onMoment, busy }: Props) {
  const t = useT()
  const lng = useLanguage()
  const [playing, setPlaying] = useState(false)
  const [speed, setSpeed] = useState<number>(2)
  const raised = useAlarms({ state: 'all', from: moment ? new Date(moment.from).toISOString() : '', to: moment ? new Date(moment.to).toISOString() : '', limit: 50 }, moment !== undefined)

  const time = moment?.time
  useEffect(() => {
    if (!playing || busy || !moment) return
    const timer = setTimeout(() => {
      const next = moment.time + MINUTE
      if (next > moment.to) setPlaying(false)
      else onMoment({ ...moment, time: next })
    }, 1_000 / speed)
    return () => clearTimeout(timer)
  }, [playing, busy, speed, time, moment, onMoment])

  if (!moment) {
    return (
      <div className="live-panel live-time-closed">
        <Button look="quiet" size="small" icon={<History size={18} aria-hidden />} onClick={() => onMoment(hourOf(Date.now() - MINUTE))}>{t('ioc:live.replay')}</Button>
      </div>
    )
  }
  const shift = (by: number) => {
    const to = Math.min(moment.to + by, Math.floor(Date.now() / MINUTE) * MINUTE)
    onMoment({ from: to - HOUR, to, time: Math.min(to, moment.time + by) })
  }
  const play = () => {
    if (!playing && moment.time >= moment.to) onMoment({ ...moment, time: moment.from })
    setPlaying(!playing)
  }
  return (
    <section className="live-panel live-time" aria-label={t('ioc:live.replay')}>
      <div className="live-time-row">
        <Button look="secondary" size="small" iconOnly icon={playing ? <Pause size={18} aria-hidden /> : <Play size={18} aria-hidden />} onClick={play}>{t(playing ? 'ioc:live.pause' : 'ioc:live.play')}</Button>
        <span className="small tnum">{format.time(moment.from)}</span>
        <input
          type="range" min={moment.from} max={moment.to} step={MINUTE} value={moment.time} list="live-ticks"
          aria-label={t('ioc:live.slider')} aria-valuetext={format.dateTime(moment.time)}
          onChange={e => onMoment({ ...moment, time: Number(e.target.value) })}
        />
        <datalist id="live-ticks">{(raised.data?.items ?? []).map(a => <option key={a.id} value={Math.floor(Date.parse(a.raised_at) / MINUTE) * MINUTE} />)}</datalist>
        <span className="small tnum">{format.time(moment.to)}</span>
        <Button size="small" look="warm" icon={<RotateCcw size={17} aria-hidden />} onClick={() => onMoment(undefined)}>{t('ioc:live.now')}</Button>
      </div>
      <div className="live-time-row">
        <Button look="quiet" size="small" iconOnly icon={<ChevronLeft size={18} aria-hidden />} onClick={() => shift(-HOUR)}>{t('ioc:live.hour_back')}</Button>
        <input
          type="datetime-local" className="input" aria-label={t('ioc:live.hour')} value={field(moment.to)} max={field(Date.now())}
          onChange={e => {
            const at = Date.parse(`${e.target.value}:00Z`) - OFFSET
            if (Number.isFinite(at) && at <= Date.now()) onMoment(hourOf(at))
          }}
        />
        <Button look="quiet" size="small" iconOnly icon={<ChevronRight size={18} aria-hidden />} onClick={() => shift(HOUR)}>{t('ioc:live.hour_on')}</Button>
        <Select aria-label={t('ioc:live.speed')} value={speed} onChange={e => setSpeed(Number(e.target.value))}>
          {SPEEDS.map(n => <option key={n} value={n}>{t('ioc:live.speed_n', { n })}</option>)}
        </Select>
        <Select
          aria-label={t('ioc:live.jump')} value=""
          onChange={e => {
            const alarm = raised.data?.items.find(a => a.id === e.target.value)
            if (alarm) onMoment({ ...moment, time: Math.min(moment.to, Math.ceil(Date.parse(alarm.raised_at) / MINUTE) * MINUTE) })
          }}
        >
          <option value="">{t('ioc:live.jump_n', { n: raised.data?.items.length ?? 0 })}</option>
          {(raised.data?.items ?? []).map(a => <option key={a.id} value={a.id}>{`${format.time(a.raised_at)} · ${t(`severity.${a.severity}`)} · ${named(lng, a.title, a.title_en)} · ${a.entity_name}`}</option>)}
        </Select>
      </div>
    </section>
  )
}

/** Says unmistakably that this is the past. */
export function PastBanner({ moment, busy, open }: { moment: Moment; busy: boolean; open: readonly { severity: 'critical' | 'high' | 'medium' | 'low' | 'info' }[] }) {
  const t = useT()
  const worst = (['critical', 'high', 'medium', 'low', 'info'] as const).find(s => open.some(a => a.severity === s))
  return (
    <p className="live-past" role="status">
      <History size={20} aria-hidden />
      <b>{t('ioc:live.past')}</b>
      <span className="tnum">{format.dateTime(moment.time)}</span>
      <span>{busy ? t('ui.loading') : t('ioc:live.open_then', { n: open.length })}</span>
      {worst && !busy ? <span className={`tone-${worst} live-worst`}><SeverityIcon severity={worst} size={16} />{t(`severity.${worst}`)}</span> : null}
    </p>
  )
}
