import { MailCheck } from 'lucide-react'
import { useMemo, useState } from 'react'
import { can, useMe, useMessageAct, useMessages, useNotifyHealth, usePreview, type MessageRow, type NotifyHealth } from '@/api'
import { useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Empty, Failed, Field, Figure, format, Loaded, Loading, Note, PageHeader, Segments, Select, toast, toastError, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'

const TONE = { waiting: 'waiting', held: 'waiting', sent: 'good', dead: 'critical', withdrawn: 'info', folded: 'info' } as const
const STATES = ['', 'waiting', 'held', 'sent', 'dead'] as const

function PreviewCard({ templates }: { templates: NotifyHealth['templates'] }) {
  const t = useT()
  const own = useLanguage()
  const [template, setTemplate] = useState<string>()
  const [lang, setLang] = useState<'vi' | 'en'>(own)
  const preview = usePreview(template, lang)
  return (
    <Card>
      <div className="stack">
        <h2>{t('notify:admin.preview')}</h2>
        <div className="row">
          <Field label={t('notify:admin.template')}>{ids => <Select {...ids} value={template ?? ''} onChange={e => setTemplate(e.target.value || undefined)}><option value="">{t('notify:admin.choose')}</option>{templates.map(one => <option key={one.code} value={one.code}>{one.name[own]}</option>)}</Select>}</Field>
          <Segments label={t('notify:admin.language')} value={lang} onChange={setLang} options={[{ value: 'vi', label: 'VI' }, { value: 'en', label: 'EN' }]} />
        </div>
        {template ? (
          <Loaded of={preview} rows={1} height="8rem">
            {p => (
              <div className="stack-s">
                <strong>{p.subject}</strong>
                <pre className="pre" style={{ whiteSpace: 'pre-wrap' }}>{p.text}</pre>
                {p.push ? <p className="small"><Badge>{t('notify:admin.push')}</Badge> {p.push}</p> : null}
              </div>
            )}
          </Loaded>
        ) : <p className="small quiet">{t('notify:admin.preview_hint')}</p>}
      </div>
    </Card>
  )
}

/** The queue: what waits, what was taken, what was given up and why. No address and no words are shown. */
export default function MessagesPage() {
  const t = useT()
  useTitle(t('notify:admin.title'))
  const me = useMe()
  const health = useNotifyHealth()
  const [state, setState] = useState<(typeof STATES)[number]>('')
  const messages = useMessages(state || undefined)
  const act = useMessageAct()
  const may = can(me.data, 'pack-manage')
  const rows = useMemo(() => messages.data?.pages.flatMap(page => page.items) ?? [], [messages.data])
  const language = useLanguage()
  const names = useMemo(() => new Map(health.data?.templates.map(one => [one.code, one.name[language]])), [health.data, language])
  const columns = useMemo<Column<MessageRow>[]>(
    () => [
      { id: 'at', header: t('notify:admin.at'), value: m => m.at, cell: m => <span className="tnum small">{format.dateTime(m.at)}</span>, width: '9rem' },
      { id: 'to', header: t('notify:admin.to'), cell: m => <span className="small">{t(`notify:admin.via.${m.via}`)} · {m.address}</span>, width: 'minmax(11rem, 1.2fr)' },
      { id: 'what', header: t('notify:admin.what'), cell: m => <span><strong>{names.get(m.template) ?? m.template}</strong> <span className="small quiet">{m.code}</span></span>, width: 'minmax(9rem, 1fr)' },
      { id: 'state', header: t('notify:admin.state'), cell: m => <Badge tone={TONE[m.state]}>{t(`notify:admin.states.${m.state}`)}</Badge>, width: '8rem' },
      { id: 'said', header: t('notify:admin.said'), cell: m => <span className="small lines-2">{m.reason ?? m.receipt ?? (m.state === 'waiting' || m.state === 'held' ? t('notify:admin.due', { at: format.dateTime(m.due_at) }) : '')}{m.tries > 1 ? ` · ${t('notify:admin.tries', { n: m.tries })}` : ''}</span>, width: 'minmax(14rem, 2fr)' },
      {
        id: 'act', header: '', width: '11rem',
        cell: m => !may ? null : m.state === 'dead' ? (
          <Button look="secondary" size="small" onClick={() => act.mutate({ id: m.id, act: 'again' }, { onSuccess: () => toast(t('notify:admin.again_done')), onError: toastError })}>{t('notify:admin.again')}</Button>
        ) : m.state === 'waiting' || m.state === 'held' ? (
          <Button look="quiet" size="small" onClick={() => act.mutate({ id: m.id, act: 'withdraw' }, { onSuccess: () => toast(t('notify:admin.withdrawn_done')), onError: toastError })}>{t('notify:admin.withdraw')}</Button>
        ) : null,
      },
    ],
    [t, may, act, names],
  )
  return (
    <>
      <PageHeader title={t('notify:admin.title')} lead={t('notify:admin.lead')} />
      <div className="stack">
        {health.data && !health.data.mail ? <Note tone="high">{t('notify:admin.no_mail')}</Note> : null}
        {health.data ? (
          <div className="row">
            <Figure value={format.number(health.data.waiting)} label={t('notify:admin.waiting')} />
            <Figure value={format.number(health.data.sent_today)} label={t('notify:admin.sent_today')} />
            <Figure value={format.number(health.data.dead)} label={t('notify:admin.dead')} tone={health.data.dead > 0 ? 'critical' : 'good'} />
          </div>
        ) : null}
        <Segments label={t('notify:admin.state')} value={state} onChange={setState} options={STATES.map(value => ({ value, label: value ? t(`notify:admin.states.${value}`) : t('ui.all') }))} />
        {messages.error && rows.length === 0 ? (
          <Failed error={messages.error} onRetry={() => void messages.refetch()} />
        ) : !messages.data ? (
          <Loading rows={3} height="3.5rem" />
        ) : rows.length === 0 ? (
          <Empty icon={<MailCheck size={30} aria-hidden />} title={t('notify:admin.none')}>{t('notify:admin.none_body')}</Empty>
        ) : (
          <DataTable label={t('notify:admin.title')} rows={rows} columns={columns} rowKey={m => m.id} onEnd={() => messages.hasNextPage && !messages.isFetchingNextPage && void messages.fetchNextPage()} />
        )}
        {health.data ? <PreviewCard templates={health.data.templates} /> : null}
      </div>
    </>
  )
}
