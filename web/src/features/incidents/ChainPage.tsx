import { useState } from 'react'
import { useChain, type ChainCell } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Card, Empty, format, Loaded, Note, PageHeader, Segments, useTitle } from '@/ui'
import './incidents.css'
import { clock, TargetNote } from './parts'

const INTERVALS = ['answering', 'dispatching', 'turnout', 'travel', 'control'] as const

function Cell({ cell }: { cell: ChainCell | undefined }) {
  const t = useT()
  if (!cell) return <td className="quiet">–</td>
  const late = cell.target && cell.reached != null && cell.reached > cell.target.seconds
  return (
    <td>
      <b className="tnum">{clock(cell.p50)}</b> / <b className="tnum">{clock(cell.p90)}</b> <span className="small quiet tnum">({format.number(cell.count, 0)})</span>
      {cell.target ? <><br /><Badge tone={late ? 'high' : 'good'}>{t(late ? 'incidents:chain.missed' : 'incidents:chain.met')}</Badge> <TargetNote target={cell.target} /></> : null}
    </td>
  )
}

/** How long each part of the way from signal to control took: half of all, and nine of ten. */
export default function ChainPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('incidents:chain.title'))
  const [by, setBy] = useState<'kind' | 'area'>('kind')
  const [which, setWhich] = useState<'life' | 'drill'>('life')
  const chain = useChain(by, which === 'drill')
  return (
    <>
      <PageHeader title={t('incidents:chain.title')} lead={t('incidents:chain.lead')} />
      <div className="stack">
        <div className="row wrap-row">
          <Segments label={t('incidents:which')} value={which} onChange={setWhich} options={[{ value: 'life', label: t('incidents:life') }, { value: 'drill', label: t('incidents:drills') }]} />
          <Segments label={t('incidents:chain.by')} value={by} onChange={setBy} options={[{ value: 'kind', label: t('incidents:kind') }, { value: 'area', label: t('incidents:area') }]} />
        </div>
        <Loaded of={chain}>
          {data =>
            data.rows.length === 0 ? <Empty title={t('incidents:chain.none')} /> : (
              <Card>
                <p className="small quiet">{format.date(data.from)} – {format.date(data.to)}{data.cut ? ` · ${t('incidents:chain.cut')}` : ''}</p>
                <div className="table-scroll" tabIndex={0} role="region" aria-label={t('incidents:chain.title')}>
                  <table className="plain-table">
                    <thead><tr><th scope="col">{t(by === 'kind' ? 'incidents:kind' : 'incidents:area')}</th><th scope="col">{t('incidents:chain.n')}</th>{INTERVALS.map(i => <th key={i} scope="col">{t(`incidents:interval.${i}`)}</th>)}</tr></thead>
                    <tbody>{data.rows.map(row => <tr key={row.key}><th scope="row">{row.key ? named(lng, row.name, row.name_en) : t('ui.all')}</th><td className="tnum">{format.number(row.incidents, 0)}</td>{INTERVALS.map(i => <Cell key={i} cell={row.cells.find(c => c.interval === i)} />)}</tr>)}</tbody>
                  </table>
                </div>
                {data.rows[0]?.told.length ? (
                  <ul className="plain-list small">
                    {data.rows[0].told.map(told => <li key={told.by}>{t(told.by === 'road' ? 'incidents:chain.told_road' : 'incidents:chain.told_guess', { n: format.number(told.count, 0), error: clock(told.error_s), bias: clock(Math.abs(told.bias_s)), which: t(told.bias_s >= 0 ? 'incidents:chain.longer' : 'incidents:chain.shorter') })}</li>)}
                  </ul>
                ) : null}
              </Card>
            )
          }
        </Loaded>
        <Note>{t('incidents:chain.note')}</Note>
      </div>
    </>
  )
}
