import { Check, X } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import { can, useLive, useMe, useSettleValue, useValues, type IndicatorValue, type ValueStatus } from '@/api'
import { useT } from '@/i18n'
import { Button, Card, Dialog, Empty, Failed, FailedNote, Field, format, LinkButton, Loading, Note, PageHeader, Segments, TextArea, toast, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'
import { settledText, StatusBadge } from './parts'
import './oversight.css'

const STATES = ['pending', 'approved', 'rejected', 'computed'] as const

function Reject({ value, onClose }: { value: IndicatorValue; onClose: () => void }) {
  const t = useT()
  const settle = useSettleValue()
  const [reason, setReason] = useState('')
  const send = (event: FormEvent) => {
    event.preventDefault()
    settle.mutate({ id: value.id, reason: reason.trim() }, { onSuccess: () => { toast(t('lead:values.rejected')); onClose() } })
  }
  return (
    <Dialog open onClose={onClose} title={t('lead:values.reject_title')}>
      <form className="stack" onSubmit={send}>
        <p>{value.indicator_name} · {value.period} · <b className="tnum">{settledText(value, t)}</b></p>
        <Field label={t('lead:reason')} hint={t('lead:values.reason_hint')}>{ids => <TextArea {...ids} required maxLength={1000} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={settle.error} />
        <div className="dialog-foot">
          <Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" look="danger" disabled={!reason.trim()} busy={settle.isPending}>{t('lead:values.reject')}</Button>
        </div>
      </form>
    </Dialog>
  )
}

function Value({ value, mayApprove, onReject }: { value: IndicatorValue; mayApprove: boolean; onReject: () => void }) {
  const t = useT()
  const settle = useSettleValue()
  const href = `/lead/${encodeURIComponent(value.set)}/${encodeURIComponent(value.indicator)}?area=${encodeURIComponent(value.area)}&period=${encodeURIComponent(value.period)}`
  return (
    <Card tight>
      <div className="value-card">
        <div className="grow stack-s">
          <div className="row"><StatusBadge status={value.status} /><span className="small quiet tnum">{value.indicator}</span></div>
          <h2><a href={href}>{value.indicator_name}</a></h2>
          <p className="small quiet tnum">{[value.area_name, value.period, value.entered_by, format.dateTime(value.entered_at)].filter(Boolean).join(' · ')}</p>
          {value.note ? <p>{value.note}</p> : null}
          {value.evidence_url && /^https?:/.test(value.evidence_url) ? <a className="small" href={value.evidence_url} target="_blank" rel="noreferrer">{t('lead:evidence_link')}</a> : null}
          {value.reason ? <Note tone="critical">{value.reason}</Note> : null}
          {value.decided_by ? <p className="small quiet">{t(value.status === 'rejected' ? 'lead:rejected_by' : 'lead:approved_by', { name: value.decided_by, at: format.dateTime(value.decided_at) })}</p> : null}
          <FailedNote error={settle.error} />
        </div>
        <div className="value-side">
          <b className="value-big tnum">{settledText(value, t)}</b>
          {value.numerator === undefined ? null : <span className="small quiet tnum">{format.number(value.numerator)} / {format.number(value.denominator)}</span>}
          {value.status !== 'pending' || !mayApprove ? null : value.mine ? (
            <span className="small quiet">{t('lead:values.mine')}</span>
          ) : (
            <div className="row">
              <Button look="secondary" icon={<X size={18} aria-hidden />} onClick={onReject}>{t('lead:values.reject')}</Button>
              <Button icon={<Check size={18} aria-hidden />} busy={settle.isPending} onClick={() => settle.mutate({ id: value.id }, { onSuccess: () => toast(t('lead:values.approved')) })}>{t('lead:values.approve')}</Button>
            </div>
          )}
        </div>
      </div>
    </Card>
  )
}

/** Values that wait for a second person, and what became of earlier ones. */
export default function ValuesPage() {
  const t = useT()
  useTitle(t('lead:values.title'))
  const me = useMe()
  const client = useQueryClient()
  const [search, setSearch] = useSearch()
  const status: ValueStatus = STATES.find(s => s === search['status']) ?? 'pending'
  const values = useValues(status)
  const [refusing, setRefusing] = useState<IndicatorValue>()
  const items = values.data?.pages.flatMap(page => page.items) ?? []
  useLive(['value-reported', 'value-settled', 'reset'], () => void client.invalidateQueries({ queryKey: ['indicator-values'] }))
  return (
    <>
      <PageHeader title={t('lead:values.title')} lead={t('lead:values.lead')} actions={can(me.data, 'indicator-report') ? <LinkButton href="/lead" look="secondary">{t('lead:values.enter')}</LinkButton> : undefined} />
      <div style={{ marginBottom: 'var(--s4)' }}>
        <Segments label={t('lead:values.state')} value={status} onChange={s => setSearch({ status: s === 'pending' ? undefined : s })} options={STATES.map(s => ({ value: s as ValueStatus, label: t(`lead:status.${s}`) }))} />
      </div>
      {values.error && items.length === 0 ? (
        <Failed error={values.error} onRetry={() => void values.refetch()} />
      ) : !values.data ? (
        <Loading height="7rem" />
      ) : items.length === 0 ? (
        <Empty title={t('lead:values.none')}>{t(status === 'pending' ? 'lead:values.none_body' : 'lead:values.none_other')}</Empty>
      ) : (
        <div className="stack">
          {items.map(value => <Value key={value.id} value={value} mayApprove={can(me.data, 'indicator-approve')} onReject={() => setRefusing(value)} />)}
          {values.hasNextPage ? <Button look="secondary" busy={values.isFetchingNextPage} onClick={() => void values.fetchNextPage()}>{t('ui.more')}</Button> : null}
        </div>
      )}
      {refusing ? <Reject value={refusing} onClose={() => setRefusing(undefined)} /> : null}
    </>
  )
}
