import { ArrowRight, Landmark } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { useAreaSearch, useMe, useUnit, useUnitPages, type Relative, type Unit } from '@/api'
import { hasText, named, useLanguage, useT } from '@/i18n'
import { Badge, Card, Empty, format, Input, Loaded, PageHeader, SearchBox, Segments, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import './admin.css'

const KINDS = ['area', 'organisation'] as const

function known(t: (key: string) => string, prefix: string, code: string | undefined): string {
  if (!code) return '–'
  return hasText(`${prefix}.${code}`) ? t(`${prefix}.${code}`) : code
}

function Kin({ title, none, list }: { title: string; none: string; list: readonly Relative[] }) {
  const t = useT()
  const [, setSearch] = useSearch()
  return (
    <section className="stack-s">
      <h3>{title}</h3>
      {list.length === 0 ? <p className="small quiet">{none}</p> : (
        <ul className="kin">
          {list.map(r => (
            <li key={`${r.id}${r.kind}${r.date}${r.name}`}>
              <button type="button" onClick={() => setSearch({ unit: r.id })}>{r.name}</button>
              <span className="small quiet tnum">{[known(t, 'admin:units.succession', r.kind), format.date(r.date), r.share === undefined ? undefined : format.percent(r.share)].filter(Boolean).join(' · ')}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Detail({ id }: { id: string }) {
  const t = useT()
  const lng = useLanguage()
  const unit = useUnit(id)
  return (
    <Loaded of={unit} height="5rem">
      {data => (
        <div className="stack">
          <header className="stack-s">
            <h2>{named(lng, data.unit.name, data.unit.name_en)}</h2>
            <div className="row"><Badge>{known(t, 'admin:units.level', data.unit.level)}</Badge><span className="code">{data.unit.id}</span>{data.unit.valid_to ? <Badge tone="medium">{t('admin:units.ended', { at: format.date(data.unit.valid_to) })}</Badge> : <Badge tone="good">{t('admin:units.current')}</Badge>}</div>
          </header>
          <section className="stack-s">
            <h3>{t('admin:units.versions')}</h3>
            <ol className="versions">
              {data.versions.toReversed().map((v, i) => (
                <li key={`${v.valid_from}${i}`}>
                  <strong>{v.name}</strong>
                  <span className="small quiet tnum">{format.date(v.valid_from)} <ArrowRight size={12} aria-hidden style={{ display: 'inline' }} /> {v.valid_to ? format.date(v.valid_to) : t('admin:units.now')}</span>
                  {v.source_act ? <span className="small">{v.source_act}</span> : null}
                  {v.dates && v.dates !== 'act' ? <span className="small quiet">{t('admin:units.dates', { how: known(t, 'admin:units.dates_how', v.dates) })}</span> : null}
                </li>
              ))}
            </ol>
          </section>
          <Kin title={t('admin:units.predecessors')} none={t('admin:units.no_predecessors')} list={data.predecessors} />
          <Kin title={t('admin:units.successors')} none={t('admin:units.no_successors')} list={data.successors.filter(s => !(s.id === data.unit.id && !data.unit.valid_to))} />
        </div>
      )}
    </Loaded>
  )
}

/** Names no longer in use, and where they went. */
function OldNames({ words }: { words: string }) {
  const t = useT()
  const [, setSearch] = useSearch()
  const found = useAreaSearch(words)
  const old = (found.data?.items ?? []).filter(hit => hit.until || hit.current.some(c => c.code !== hit.code))
  if (old.length === 0) return null
  return (
    <Card tight>
      <h2 style={{ fontSize: 'var(--size-m)', marginBottom: 'var(--s2)' }}>{t('admin:units.old_names')}</h2>
      <ul className="kin">
        {old.map(hit => (
          <li key={`${hit.code}${hit.name}`}>
            <span>{hit.name} {hit.until ? <span className="small quiet tnum">({t('admin:units.until', { at: format.date(hit.until) })})</span> : null}</span>
            <span className="row">{hit.current.map(c => <button key={c.code} type="button" onClick={() => setSearch({ unit: c.code })}><ArrowRight size={14} aria-hidden /> {c.name}</button>)}</span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

export default function UnitsPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('admin:units.title'))
  const [search, setSearch] = useSearch()
  const [words, setWords] = useState(search['q'] ?? '')
  const kind = search['kind'] === 'organisation' ? 'organisation' : 'area'
  // Without words the list begins at home; words search the whole country.
  const home = useMe().data?.home.code
  const units = useUnitPages({ kind, ...(kind === 'area' && !search['q'] && home ? { parent: home } : {}), ...(search['q'] ? { q: search['q'] } : {}), ...(search['as_of'] ? { as_of: search['as_of'] } : {}) })
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  const columns = useMemo<Column<Unit>[]>(
    () => [
      { id: 'name', header: t('admin:units.name'), value: u => u.name, cell: u => <strong>{named(lng, u.name, u.name_en)}</strong>, width: 'minmax(13rem, 2fr)' },
      { id: 'level', header: t('admin:units.level_title'), value: u => u.level, cell: u => known(t, 'admin:units.level', u.level), width: '10rem' },
      { id: 'id', header: t('admin:units.code'), value: u => u.id, cell: u => <span className="code">{u.id}</span>, width: '10rem' },
      { id: 'from', header: t('admin:units.from'), value: u => u.valid_from ?? '', cell: u => <span className="tnum">{format.date(u.valid_from)}</span>, width: '8rem' },
    ],
    [t, lng],
  )
  return (
    <>
      <PageHeader title={t('admin:units.title')} lead={t('admin:units.lead')} />
      <div className="tools">
        <Segments label={t('admin:units.kind')} value={kind} onChange={k => setSearch({ kind: k === 'area' ? undefined : k, unit: undefined })} options={KINDS.map(k => ({ value: k, label: t(`admin:units.kinds.${k}`) }))} />
        <SearchBox label={t('admin:units.search')} value={words} onChange={setWords} />
        <label className="as-of"><span className="small">{t('admin:units.as_of')}</span><Input type="date" value={search['as_of'] ?? ''} onChange={e => setSearch({ as_of: e.target.value })} /></label>
      </div>
      <div className="units">
        <div className="stack">
          {kind === 'area' && (search['q'] ?? '').length >= 2 ? <OldNames words={search['q'] ?? ''} /> : null}
          <PagedTable pages={units} label={t('admin:units.title')} columns={columns} rowKey={u => u.id} chosen={search['unit'] ?? ''} onOpen={u => setSearch({ unit: u.id })} rowHeight={52}><Empty title={t('admin:none')}>{t('admin:none_body')}</Empty></PagedTable>
        </div>
        <Card>{search['unit'] ? <Detail key={search['unit']} id={search['unit']} /> : <Empty icon={<Landmark size={30} aria-hidden />} title={t('admin:units.choose')}>{t('admin:units.choose_body')}</Empty>}</Card>
      </div>
    </>
  )
}
