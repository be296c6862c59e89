import { Expand, Keyboard, Minimize } from 'lucide-react'
import { useEffect, useState, type ReactNode } from 'react'
import { useVitals, type Severity } from '@/api'
import { useT } from '@/i18n'
import { Button, cx, Figure, format, SeverityIcon } from '@/ui'

const SHOWN: readonly Severity[] = ['critical', 'high', 'medium', 'low']

function Clock() {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <time className="ioc-clock tnum" dateTime={new Date(now).toISOString()}>
      <b>{format.time(now)}</b>
      <span>{format.date(now)}</span>
    </time>
  )
}

function Group({ label, children }: { label: string; children: ReactNode }) {
  return (
    <section className="vital-group" aria-label={label}>
      <h2>{label}</h2>
      <div>{children}</div>
    </section>
  )
}

interface VitalsProps {
  /** The worst index now, with where it is. */
  worst: { aqi: ReactNode; name: string; open: () => void } | undefined
  onSeverity: (severity: Severity) => void
  onWaiting: () => void
  wall: boolean
  onWall: () => void
  onHelp: () => void
}

/** The state of the city in one line; every figure opens what it counts. */
export function VitalsStrip({ worst, onSeverity, onWaiting, wall, onWall, onHelp }: VitalsProps) {
  const t = useT()
  const vitals = useVitals()
  const v = vitals.data
  const count = (n: number | undefined) => (n === undefined ? '–' : format.number(n))
  const waiting = v ? Object.values(v.alarms.active).reduce((a, b) => a + b, 0) : undefined
  return (
    <header className={cx('ioc-strip', vitals.error && v ? 'stale' : undefined)}>
      <h1 className="visually-hidden">{t('ioc:title')}</h1>
      <Group label={t('ioc:vitals.alarms')}>
        <Figure value={count(waiting)} label={t('ioc:vitals.waiting')} onOpen={onWaiting} tone={waiting ? 'critical' : undefined} />
        {SHOWN.map(severity => {
          const n = v ? v.alarms.active[severity] + v.alarms.acknowledged[severity] : undefined
          return (
            <button key={severity} type="button" className={cx('vital-severity', `tone-${severity}`, !n && 'zero')} onClick={() => onSeverity(severity)}>
              <SeverityIcon severity={severity} size={18} />
              <b className="tnum">{count(n)}</b>
              <span>{t(`severity.${severity}`)}</span>
            </button>
          )
        })}
      </Group>
      <Group label={t('ioc:vitals.reports')}>
        <Figure value={count(v?.cases.open)} label={t('ioc:vitals.open')} href="/work?view=all" />
        <Figure value={count(v?.cases.overdue)} label={t('ioc:vitals.overdue')} tone={v?.cases.overdue ? 'critical' : undefined} href="/work?view=all&due=overdue" />
        <Figure value={count(v?.cases.soon)} label={t('ioc:vitals.soon')} tone={v?.cases.soon ? 'high' : undefined} href="/work?view=all&due=soon" />
        <Figure value={count(v?.cases.answered_today)} label={t('ioc:vitals.answered')} tone="good" href="/work?view=all" />
      </Group>
      <Group label={t('ioc:vitals.things')}>
        <Figure value={count(v?.things.ok)} label={t('ioc:vitals.ok')} />
        <Figure value={count(v?.things.silent)} label={t('ioc:vitals.silent')} tone={v?.things.silent ? 'high' : undefined} href="/admin/devices?state=silent" />
        {worst ? (
          <button type="button" className="figure vital-worst" onClick={worst.open}>
            {worst.aqi}
            <span className="clip">{worst.name}</span>
          </button>
        ) : null}
      </Group>
      <div className="ioc-right">
        <Clock />
        <Button look="quiet" iconOnly icon={<Keyboard size={20} aria-hidden />} onClick={onHelp}>{t('staff:keys.title')}</Button>
        <Button look="quiet" iconOnly icon={wall ? <Minimize size={20} aria-hidden /> : <Expand size={20} aria-hidden />} onClick={onWall}>{t(wall ? 'ioc:wall.off' : 'ioc:wall.on')}</Button>
      </div>
    </header>
  )
}
