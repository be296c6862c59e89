import { ChevronsUp, CircleAlert, CircleCheck, CircleDashed, CircleDot, CirclePause, CircleX, Clock, Flame, Info, OctagonAlert, Star, TriangleAlert, ChevronDown } from 'lucide-react'
import { useEffect, useState, type ReactNode } from 'react'
import type { Phase, Severity } from '@/api'
import { useT } from '@/i18n'
import { cx } from './controls'
import { due, type Moment } from './format'

export function Badge({ tone = 'info', icon, children }: { tone?: string; icon?: ReactNode; children: ReactNode }) {
  return (
    <span className={cx('badge', `tone-${tone}`)}>
      {icon}
      {children}
    </span>
  )
}

const SEVERITY_ICON: Record<Severity, typeof Info> = { critical: OctagonAlert, high: TriangleAlert, medium: ChevronsUp, low: ChevronDown, info: Info }

/** One scale everywhere: colour, shape and word together. */
export function SeverityBadge({ severity }: { severity: Severity }) {
  const t = useT()
  return (
    <Badge tone={severity} icon={<SeverityIcon severity={severity} />}>
      {t(`severity.${severity}`)}
    </Badge>
  )
}

export function SeverityIcon({ severity, size = 15 }: { severity: Severity; size?: number }) {
  const Icon = SEVERITY_ICON[severity] ?? CircleAlert
  return <Icon size={size} strokeWidth={2.4} aria-hidden />
}

const PHASE_ICON: Record<Phase, typeof Info> = { open: CircleDashed, working: CircleDot, waiting: CirclePause, solved: CircleCheck, unsolved: CircleX }

export function PhaseBadge({ phase, children }: { phase: Phase; children?: ReactNode }) {
  const t = useT()
  const Icon = PHASE_ICON[phase] ?? CircleDot
  return (
    <Badge tone={phase} icon={<Icon size={15} strokeWidth={2.4} aria-hidden />}>
      {children ?? t(`phase.${phase}`)}
    </Badge>
  )
}

/** Level 1–6 of an official VN_AQI value. */
export function aqiLevel(aqi: number): 1 | 2 | 3 | 4 | 5 | 6 {
  if (aqi <= 50) return 1
  if (aqi <= 100) return 2
  if (aqi <= 150) return 3
  if (aqi <= 200) return 4
  return aqi <= 300 ? 5 : 6
}

export function AqiBadge({ aqi }: { aqi: number }) {
  const t = useT()
  const level = aqiLevel(aqi)
  return (
    <span className="aqi" style={{ background: `var(--aqi-${level})`, color: `var(--aqi-${level}-ink)` }}>
      <b>{Math.round(aqi)}</b>
      {t(`aqi.level.${level}`)}
    </span>
  )
}

export function Card({ tight, className, children, ...rest }: { tight?: boolean; className?: string; children: ReactNode; id?: string; 'aria-label'?: string }) {
  return (
    <section className={cx('card', tight && 'card-tight', className)} {...rest}>
      {children}
    </section>
  )
}

export function PageHeader({ title, lead, actions }: { title: ReactNode; lead?: ReactNode; actions?: ReactNode }) {
  return (
    <header className="page-header">
      <div className="grow">
        <h1>{title}</h1>
        {lead ? <p className="lead">{lead}</p> : null}
      </div>
      {actions ? <div className="row">{actions}</div> : null}
    </header>
  )
}

/** A number that can be opened: to how it was computed and the rows it came from. */
export function Figure({ value, unit, label, tone, href, onOpen }: { value: ReactNode; unit?: ReactNode; label: ReactNode; tone?: string; href?: string; onOpen?: () => void }) {
  const inside = (
    <>
      <b>
        {value}
        {unit ? <small>{unit}</small> : null}
      </b>
      <span>{label}</span>
    </>
  )
  const name = cx('figure', tone && `tone-${tone}`)
  if (href) return <a className={name} href={href}>{inside}</a>
  if (onOpen) return <button type="button" className={name} onClick={onOpen}>{inside}</button>
  return <div className={name}>{inside}</div>
}

/** Re-renders on the minute, so that spans of time stay true. */
export function useNow(everyMs = 30_000): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

export function Due({ at, closed }: { at?: Moment | undefined; closed?: Moment | undefined }) {
  const now = useNow()
  if (!at) return null
  const { words, urgency } = due(at, closed, now)
  const Icon = urgency === 'late' ? Flame : urgency === 'done' ? CircleCheck : Clock
  return (
    <span className={cx('due', `due-${urgency}`)}>
      <Icon size={15} aria-hidden />
      {words}
    </span>
  )
}

export interface Stop {
  key: string
  title: ReactNode
  at?: ReactNode
  body?: ReactNode
  /** `here` is the latest station reached, `ahead` one to come. */
  place?: 'here' | 'ahead'
}

/** The way of a case, drawn as stations on a line. */
export function Line({ stops, label }: { stops: readonly Stop[]; label: string }) {
  return (
    <ol className="line" aria-label={label}>
      {stops.map((stop, index) => (
        <li key={stop.key} className={cx(stop.place, stops[index + 1]?.place === 'ahead' && 'to-come')} aria-current={stop.place === 'here' ? 'step' : undefined}>
          <div className={stop.place === 'ahead' ? 'quiet' : 'strong'}>{stop.title}</div>
          {stop.at ? <time>{stop.at}</time> : null}
          {stop.body ? <div>{stop.body}</div> : null}
        </li>
      ))}
    </ol>
  )
}

export function Stars({ value }: { value: number }) {
  const t = useT()
  return (
    <span className="stars" role="img" aria-label={t('ui.stars', { n: value })}>
      {[1, 2, 3, 4, 5].map(n => (
        <Star key={n} size={18} fill={n <= value ? 'currentColor' : 'none'} aria-hidden />
      ))}
    </span>
  )
}

export function StarsPick({ value, onChange }: { value: number; onChange: (stars: number) => void }) {
  const t = useT()
  return (
    <fieldset>
      <legend className="visually-hidden">{t('ui.rate')}</legend>
      <div className="stars-pick">
        {[1, 2, 3, 4, 5].map(n => (
          <label key={n} className={n <= value ? 'on' : undefined}>
            <input type="radio" name="stars" checked={n === value} onChange={() => onChange(n)} />
            <Star size={34} fill={n <= value ? 'currentColor' : 'none'} aria-hidden />
            <span className="visually-hidden">{t('ui.stars', { n })}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

export function Meter({ share, tone, label }: { share: number; tone?: string; label: string }) {
  const width = `${Math.min(100, Math.max(0, share * 100))}%`
  return (
    <div className={cx('meter', tone && `tone-${tone}`)} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(share * 100)}>
      <i style={{ width }} />
    </div>
  )
}
