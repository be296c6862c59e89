import { Eye, Printer, ScrollText } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { slipAddress, useApplicant, useDossier, useDossierCatalogue, useIssueSlip, type Dossier } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, Dialog, FailedNote, Field, format, Input, Line, LinkButton, Loaded, Note, PageHeader, TextArea, toastError, useTitle } from '@/ui'
import { StandingBadge } from './parts'
import './dossiers.css'

/** Events whose words are instants. */
const INSTANTS = new Set(['due', 'appointed', 'ended', 'paid', 'received', 'supplement', 'payment', 'slip'])

function Applicant({ code }: { code: string }) {
  const t = useT()
  const ask = useApplicant(code)
  if (ask.data) return <span>{ask.data.name ?? t('dossiers:no_name')}</span>
  return <Button look="quiet" size="small" busy={ask.isPending} icon={<Eye size={16} aria-hidden />} onClick={() => ask.mutate(undefined, { onError: toastError })}>{t('dossiers:show_name')}</Button>
}

function SlipDialog({ dossier, onClose }: { dossier: Dossier; onClose: () => void }) {
  const t = useT()
  const issue = useIssueSlip(dossier.code)
  const [day, setDay] = useState('')
  const [reason, setReason] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    issue.mutate({ version: dossier.version, day, reason: reason.trim() }, { onSuccess: onClose })
  }
  return (
    <Dialog open onClose={onClose} title={t('dossiers:slip.title')}>
      <form className="stack" onSubmit={submit}>
        <p className="quiet">{t('dossiers:slip.lead')}</p>
        <Field label={t('dossiers:slip.day')} hint={t('dossiers:slip.day_hint')}>{ids => <Input {...ids} type="date" required value={day} onChange={e => setDay(e.target.value)} />}</Field>
        <Field label={t('dossiers:slip.reason')}>{ids => <TextArea {...ids} required minLength={10} maxLength={1000} rows={3} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={issue.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={issue.isPending}>{t('dossiers:slip.issue')}</Button></div>
      </form>
    </Dialog>
  )
}

function Body({ dossier }: { dossier: Dossier }) {
  const t = useT()
  const lng = useLanguage()
  const catalogue = useDossierCatalogue()
  const [asking, setAsking] = useState(false)
  const state = (n: string | number | null | undefined) => {
    const found = catalogue.data?.states.find(s => String(s.number) === String(n))
    return found ? named(lng, found.name, found.name_en) : String(n ?? '')
  }
  const channel = catalogue.data?.channels.find(c => c.number === dossier.channel)
  const told = (kind: string, value: string | null | undefined) => {
    if (!value) return ''
    if (kind === 'state') return state(value)
    if (kind === 'late') return t(`dossiers:late.${value}`)
    return INSTANTS.has(kind) && value !== '…' ? format.dateTime(value) : value
  }
  const facts: [string, React.ReactNode][] = [
    [t('dossiers:by.procedure'), `${dossier.procedure_name} (${dossier.procedure})`],
    [t('dossiers:by.unit'), dossier.unit.name],
    ...(dossier.commune ? [[t('dossiers:by.commune'), dossier.commune.name] as [string, React.ReactNode]] : []),
    [t('dossiers:fact.channel'), channel ? named(lng, channel.name, channel.name_en) : '–'],
    [t('dossiers:fact.state'), state(dossier.state)],
    [t('dossiers:col.received_at'), format.dateTime(dossier.received_at)],
    [t('dossiers:fact.counts_from'), format.date(dossier.counts_from)],
    [t('dossiers:fact.days'), dossier.days == null ? t('dossiers:fact.days_unknown') : dossier.days === 0 ? t('dossiers:fact.same_day') : t('dossiers:fact.days_n', { n: dossier.days })],
    [t('dossiers:col.due'), format.dateTime(dossier.due_at)],
    ...(dossier.appointed_at ? [[t('dossiers:fact.appointed'), format.dateTime(dossier.appointed_at)] as [string, React.ReactNode]] : []),
    ...(dossier.promised_at ? [[t('dossiers:col.promised'), format.dateTime(dossier.promised_at)] as [string, React.ReactNode]] : []),
    ...(dossier.ended_at ? [[t('dossiers:fact.ended'), format.dateTime(dossier.ended_at)] as [string, React.ReactNode]] : []),
    ...(dossier.took_days == null ? [] : [[t('dossiers:fact.took'), t('dossiers:fact.took_n', { n: format.number(dossier.took_days) })] as [string, React.ReactNode]]),
    [t('dossiers:fact.fee'), dossier.fee === 0 ? t('dossiers:fact.no_fee') : `${format.money(dossier.fee)}${dossier.paid_at || dossier.paid_online ? ` · ${t(dossier.paid_online ? 'dossiers:fact.paid_online' : 'dossiers:fact.paid')}` : ''}`],
    ...(dossier.may_name ? [[t('dossiers:fact.applicant'), <Applicant key="who" code={dossier.code} />] as [string, React.ReactNode]] : []),
  ]
  return (
    <>
      <PageHeader
        title={<span className="tnum">{dossier.code}</span>}
        lead={dossier.procedure_name}
        actions={dossier.may_slip ? <Button icon={<ScrollText size={18} aria-hidden />} onClick={() => setAsking(true)}>{t('dossiers:slip.title')}</Button> : undefined}
      />
      <div className="stack">
        <p><StandingBadge standing={dossier.standing} /> {dossier.late_why ? <span className="small">{t(`dossiers:late.${dossier.late_why}`)}{dossier.late_at ? ` · ${format.dateTime(dossier.late_at)}` : ''}</span> : null}</p>
        {dossier.standing === 'overdue' && dossier.slips.length === 0 ? <Note tone="critical">{t('dossiers:slip.wanted')}</Note> : null}
        <div className="dossier-page">
          <Card>
            <h2>{t('dossiers:facts')}</h2>
            <dl className="dossier-facts">{facts.map(([name, value]) => <div key={name} style={{ display: 'contents' }}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
            {dossier.waits.length ? <><h3>{t('dossiers:waits')}</h3><ul>{dossier.waits.map(w => <li key={w.from}>{t(w.payment ? 'dossiers:wait.payment' : 'dossiers:wait.supplement')}: {format.dateTime(w.from)} – {w.to ? format.dateTime(w.to) : t('dossiers:wait.open')}</li>)}</ul></> : null}
            {dossier.steps.length ? <><h3>{t('dossiers:steps')}</h3><ol>{dossier.steps.map(s => <li key={s}>{s}</li>)}</ol></> : null}
            {dossier.slips.map(slip => (
              <Note key={slip.n} tone="high">
                <p>{t('dossiers:slip.issued', { at: format.dateTime(slip.at), promised: format.date(slip.promised_at), by: slip.by })}</p>
                <p>{slip.reason}</p>
                {dossier.may_name ? <div><LinkButton look="secondary" size="small" href={slipAddress(dossier.code, slip.n, lng)} download icon={<Printer size={16} aria-hidden />}>{t('dossiers:slip.print')}</LinkButton></div> : null}
              </Note>
            ))}
          </Card>
          <Card>
            <h2>{t('dossiers:history')}</h2>
            <Line label={t('dossiers:history')} stops={dossier.log.map((entry, i) => ({ key: String(i), title: `${t(`dossiers:log.${entry.kind}`)}${entry.became ? `: ${told(entry.kind, entry.became)}` : ''}`, at: format.dateTime(entry.at), body: entry.was ? <span className="small quiet">{t('dossiers:log.was', { was: told(entry.kind, entry.was) })}</span> : undefined, ...(i === 0 ? { place: 'here' as const } : {}) }))} />
          </Card>
        </div>
      </div>
      {asking ? <SlipDialog dossier={dossier} onClose={() => setAsking(false)} /> : null}
    </>
  )
}

export default function DossierPage({ params }: { params: Record<string, string> }) {
  const code = params['code'] ?? ''
  useTitle(code)
  const dossier = useDossier(code)
  return <Loaded of={dossier} rows={5}>{data => <Body dossier={data} />}</Loaded>
}
