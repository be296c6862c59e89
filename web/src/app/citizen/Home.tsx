import { ArrowRight, Megaphone, Search } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useCaseTypes, usePublicTop, useStats } from '@/api/cases'
import { AirNear } from '@/features/context/AirNear'
import { CaseCard } from '@/features/cases/public/CaseCard'
import { WarningBanner } from '@/features/incidents/WarningBanner'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, Empty, format, go, Input, LinkButton, Loaded, PackIcon, useTitle } from '@/ui'

/** Terraced lines of river and fields behind the headline. */
function HeroArt() {
  return (
    <svg className="hero-art" viewBox="0 0 1200 480" preserveAspectRatio="xMidYMax slice" aria-hidden>
      {Array.from({ length: 11 }, (_, i) => {
        const y = 150 + i * 34
        return <path key={i} d={`M-20 ${y + 60} C 200 ${y - 50 + i * 6}, 380 ${y + 90 - i * 5}, 620 ${y + 20} S 1020 ${y - 60 + i * 8}, 1240 ${y + 10}`} fill="none" stroke={i === 8 ? '#f2b84b' : '#2f7f75'} strokeOpacity={i === 8 ? 0.9 : 0.12 + i * 0.035} strokeWidth={i === 8 ? 4 : 2} />
      })}
      {[[45, 466.6], [620, 442], [1176, 430]].map(([x, y]) => (
        <circle key={x} cx={x} cy={y} r="8" fill="#063f3a" stroke="#f2b84b" strokeWidth="4" />
      ))}
    </svg>
  )
}

function FollowForm() {
  const t = useT()
  const [code, setCode] = useState('')
  function open(event: FormEvent): void {
    event.preventDefault()
    const clean = code.trim().toUpperCase()
    if (clean) go(`/r/${encodeURIComponent(clean)}`)
  }
  return (
    <form className="follow" onSubmit={open} role="search">
      <Input aria-label={t('citizen:home.code')} placeholder={t('citizen:home.code')} value={code} maxLength={24} autoCapitalize="characters" autoComplete="off" onChange={e => setCode(e.target.value)} />
      <Button type="submit" icon={<Search size={18} aria-hidden />}>{t('citizen:home.follow')}</Button>
    </form>
  )
}

function Board() {
  const t = useT()
  const stats = useStats({ group: 'category' })
  if (!stats.data) return null
  const rows = stats.data.rows ?? []
  const sum = (key: 'opened' | 'closed' | 'on_time') => rows.reduce((all, row) => all + (row[key] ?? 0), 0)
  const answered = sum('closed')
  return (
    <section className="board" aria-label={t('citizen:home.board')}>
      <h2>{t('citizen:home.board')}</h2>
      <dl>
        <div>
          <dt>{t('citizen:home.received')}</dt>
          <dd>{format.number(sum('opened'), 0)}</dd>
        </div>
        <div>
          <dt>{t('citizen:home.answered')}</dt>
          <dd>{format.number(answered, 0)}</dd>
        </div>
        <div>
          <dt>{t('citizen:home.on_time')}</dt>
          <dd>{answered > 0 ? format.percent(sum('on_time') / answered) : '–'}</dd>
        </div>
      </dl>
    </section>
  )
}

function Categories() {
  const t = useT()
  const lng = useLanguage()
  const types = useCaseTypes()
  return (
    <Card tight className="lift">
      <h2 className="visually-hidden">{t('citizen:home.what')}</h2>
      <Loaded of={types} rows={1} height="6rem">
        {all => (
          <div className="tiles">
            {(all.find(type => type.kind === 'report')?.categories ?? []).slice(0, 12).map(category => (
              <a key={category.code} className="tile" href={`/report?category=${encodeURIComponent(category.code)}`}>
                <span className="tile-icon"><PackIcon name={category.icon} /></span>
                {named(lng, category.name, category.name_en)}
              </a>
            ))}
          </div>
        )}
      </Loaded>
    </Card>
  )
}

function Solved() {
  const t = useT()
  const cases = usePublicTop({ phase: 'solved', limit: 4 })
  return (
    <section>
      <div className="section-title">
        <h2>{t('citizen:home.solved')}</h2>
        <a href="/map">{t('citizen:home.see_all')}</a>
      </div>
      <Loaded of={cases} height="7.5rem">
        {({ items }) =>
          items.length > 0 ? (
            <div className="case-list">{items.map(item => <CaseCard key={item.code} item={item} />)}</div>
          ) : (
            <Empty title={t('citizen:home.solved_none')}>{t('citizen:home.solved_none_body')}</Empty>
          )
        }
      </Loaded>
    </section>
  )
}

export default function Home() {
  const t = useT()
  useTitle(t('citizen:home.title'))
  return (
    <>
      <WarningBanner />
      <div className="hero">
        <HeroArt />
        <div className="wrap hero-in">
          <div>
            <h1>{t('citizen:home.title')}</h1>
            <p className="lead">{t('citizen:home.lead')}</p>
            <div className="hero-acts">
              <LinkButton look="warm" size="big" href="/report" icon={<Megaphone size={22} aria-hidden />}>{t('citizen:home.send')}</LinkButton>
              <LinkButton look="secondary" href="/map" icon={<ArrowRight size={18} aria-hidden />}>{t('citizen:home.look')}</LinkButton>
              <LinkButton look="secondary" href="/services">{t('citizen:services.title')}</LinkButton>
              <LinkButton look="secondary" href="/traffic">{t('nav.traffic')}</LinkButton>
            </div>
            <FollowForm />
          </div>
          <Board />
        </div>
      </div>
      <div className="wrap page">
        <Categories />
        <div className="home-grid">
          <Solved />
          <AirNear />
        </div>
      </div>
    </>
  )
}
