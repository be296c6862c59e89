import { Search } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useLookUp, usePublicDossiers, type BoardBy } from '@/api/dossiers'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, Empty, FailedNote, Field, format, Input, Loaded, Segments, useTitle } from '@/ui'
import './services.css'

const BY = ['unit', 'commune', 'procedure'] as const

function Own() {
  const t = useT()
  const lng = useLanguage()
  const look = useLookUp()
  const [code, setCode] = useState('')
  const [phone, setPhone] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    look.mutate({ code: code.trim(), phone: phone.trim() })
  }
  const found = look.data
  return (
    <Card>
      <h2>{t('citizen:services.own')}</h2>
      <form className="services-form" onSubmit={submit}>
        <Field label={t('citizen:services.code')} hint={t('citizen:services.code_hint')}>{ids => <Input {...ids} required maxLength={60} autoCapitalize="characters" value={code} onChange={e => setCode(e.target.value)} />}</Field>
        <Field label={t('citizen:services.digits')} hint={t('citizen:services.digits_hint')}>{ids => <Input {...ids} required inputMode="numeric" pattern="[0-9]{4}" maxLength={4} value={phone} onChange={e => setPhone(e.target.value)} />}</Field>
        <Button type="submit" busy={look.isPending} icon={<Search size={18} aria-hidden />}>{t('citizen:services.find')}</Button>
      </form>
      <FailedNote error={look.error} />
      {found ? (
        <dl className="services-own" aria-live="polite">
          <dt>{t('citizen:services.procedure')}</dt><dd>{found.procedure}</dd>
          <dt>{t('citizen:services.unit')}</dt><dd>{found.unit}</dd>
          <dt>{t('citizen:services.state')}</dt><dd><b>{named(lng, found.state, found.state_en)}</b> · {t(`citizen:services.standing.${found.standing}`)}</dd>
          <dt>{t('citizen:services.received')}</dt><dd>{format.dateTime(found.received_at)}</dd>
          <dt>{t('citizen:services.due')}</dt><dd>{format.dateTime(found.due_at)}</dd>
          {found.promised_at ? <><dt>{t('citizen:services.promised')}</dt><dd>{format.dateTime(found.promised_at)}</dd></> : null}
          {found.ended_at ? <><dt>{t('citizen:services.ended')}</dt><dd>{format.dateTime(found.ended_at)}</dd></> : null}
        </dl>
      ) : null}
    </Card>
  )
}

/** How punctual the agencies are, and one's own dossier. */
export default function ServicesPage() {
  const t = useT()
  useTitle(t('citizen:services.title'))
  const [by, setBy] = useState<BoardBy>('unit')
  const board = usePublicDossiers(by)
  return (
    <div className="wrap page stack">
      <h1>{t('citizen:services.title')}</h1>
      <Own />
      <section>
        <div className="services-head"><h2>{t('citizen:services.shares')}</h2><Segments label={t('citizen:services.by')} value={by} onChange={setBy} options={BY.map(b => ({ value: b, label: t(`citizen:services.by_${b}`) }))} /></div>
        <Loaded of={board} rows={5}>
          {data =>
            data.rows.length === 0 ? (
              <Empty title={t('citizen:services.none')}>{t('citizen:services.none_body')}</Empty>
            ) : (
              <>
                <p>{t('citizen:services.sum', { share: format.percent(data.total.on_time == null ? undefined : data.total.on_time / 100, 1), n: format.number(data.total.received), from: format.month(data.from), to: format.month(data.to) })}</p>
                <div className="services-table" tabIndex={0} role="region" aria-label={t('citizen:services.shares')}>
                  <table>
                    <thead><tr><th scope="col">{t(`citizen:services.by_${by}`)}</th><th scope="col">{t('citizen:services.on_time')}</th><th scope="col">{t('citizen:services.n')}</th><th scope="col">{t('citizen:services.median')}</th><th scope="col">{t('citizen:services.overdue')}</th></tr></thead>
                    <tbody>
                      {data.rows.slice(0, 200).map(r => <tr key={r.key || '-'}><th scope="row">{r.name || t('citizen:services.elsewhere')}</th><td>{format.percent(r.on_time == null ? undefined : r.on_time / 100, 1)}</td><td>{format.number(r.received)}</td><td>{format.number(r.median_days)}</td><td>{format.number(r.overdue)}</td></tr>)}
                    </tbody>
                  </table>
                </div>
                <p className="small quiet">{t('citizen:services.note')}</p>
              </>
            )
          }
        </Loaded>
      </section>
    </div>
  )
}
