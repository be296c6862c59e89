import { Bell, CloudUpload, List, Trash2 } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useMe } from '@/api/access'
import { useFollowing, useMyCases } from '@/api/cases'
import { flush, forget, queued, watchQueue, type QueuedReport } from '@/api/queue'
import { useT } from '@/i18n'
import { Badge, Button, Card, Empty, errorWords, format, LinkButton, Loaded, Note, PageHeader, toastError, useTitle } from '@/ui'
import { ApiError } from '@/api/client'
import '../cases.css'
import { CaseCard } from './CaseCard'

function useQueue(): QueuedReport[] | undefined {
  const [all, setAll] = useState<QueuedReport[]>()
  useEffect(() => {
    const read = () => void queued().then(setAll, () => setAll([]))
    read()
    return watchQueue(read)
  }, [])
  return all
}

const TONE = { waiting: 'working', sending: 'open', sent: 'solved', refused: 'critical' } as const

function Kept({ report }: { report: QueuedReport }) {
  const t = useT()
  return (
    <Card tight>
      <div className="stack-s">
        <div className="spread">
          <Badge tone={TONE[report.state]} icon={report.state === 'waiting' ? <CloudUpload size={15} aria-hidden /> : undefined}>{t(`citizen:mine.state.${report.state}`)}</Badge>
          <span className="small quiet">{format.ago(report.created)}</span>
        </div>
        <h3 className="lines-2">{report.draft.text}</h3>
        <p className="small quiet">{[report.category_name, report.place_name, report.receipt?.code].filter(Boolean).join(' · ')}</p>
        {report.state === 'refused' ? <Note tone="critical">{errorWords(new ApiError(report.error ?? 'web.unexpected', 400))} <span className="code">{report.error}</span></Note> : null}
        <div className="row">
          {report.receipt ? <LinkButton look="secondary" href={`/t/${report.receipt.code}#${report.receipt.key}`}>{t('citizen:sent.follow')}</LinkButton> : null}
          {report.state === 'waiting' ? <Button look="secondary" icon={<CloudUpload size={18} aria-hidden />} onClick={() => void flush().catch(toastError)}>{t('citizen:mine.send_now')}</Button> : null}
          {report.state === 'sent' || report.state === 'refused' ? <Button look="quiet" icon={<Trash2 size={18} aria-hidden />} onClick={() => void forget(report.id).catch(toastError)}>{t('citizen:mine.forget')}</Button> : null}
        </div>
      </div>
    </Card>
  )
}

export default function MinePage() {
  const t = useT()
  useTitle(t('nav.mine'))
  const me = useMe()
  const signedIn = me.data !== undefined && me.data.kind !== 'anonymous'
  const cases = useMyCases(signedIn)
  const followed = useFollowing(signedIn)
  const kept = useQueue()
  const shown = (kept ?? []).filter(report => !(signedIn && report.state === 'sent' && cases.data?.items.some(item => item.code === report.receipt?.code)))
  return (
    <div className="wrap narrow page">
      <PageHeader title={t('nav.mine')} lead={signedIn ? me.data?.name : t('citizen:mine.lead')} actions={signedIn ? undefined : <LinkButton look="secondary" href="/sign-in?next=/mine">{t('nav.sign_in')}</LinkButton>} />
      {shown.length > 0 ? (
        <section className="stack" style={{ marginBottom: 'var(--s6)' }}>
          <h2>{t('citizen:mine.on_device')}</h2>
          {shown.map(report => <Kept key={report.id} report={report} />)}
        </section>
      ) : null}
      {signedIn && followed.data && followed.data.items.length > 0 ? (
        <section className="stack" style={{ marginBottom: 'var(--s6)' }}>
          <h2>{t('citizen:mine.following')}</h2>
          <div className="case-list">{followed.data.items.map(item => <CaseCard key={item.code} item={item} />)}</div>
        </section>
      ) : null}
      <p style={{ marginBottom: 'var(--s5)' }}><LinkButton look="secondary" icon={<Bell size={18} aria-hidden />} href="/follows">{t('nav.follows')}</LinkButton></p>
      {signedIn ? (
        <section className="stack">
          <h2>{t('citizen:mine.of_account')}</h2>
          <Loaded of={cases} height="7rem">
            {page =>
              page.items.length > 0 ? (
                <div className="case-list">{page.items.map(item => <CaseCard key={item.code} item={item} />)}</div>
              ) : (
                <Empty icon={<List size={30} aria-hidden />} title={t('citizen:mine.none')} action={<LinkButton href="/report">{t('nav.report')}</LinkButton>}>{t('citizen:mine.none_body')}</Empty>
              )
            }
          </Loaded>
        </section>
      ) : shown.length === 0 && kept ? (
        <Empty icon={<List size={30} aria-hidden />} title={t('citizen:mine.none')} action={<LinkButton href="/report">{t('nav.report')}</LinkButton>}>{t('citizen:mine.none_body')}</Empty>
      ) : null}
    </div>
  )
}
