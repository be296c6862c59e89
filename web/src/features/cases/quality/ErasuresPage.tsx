import { ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import { useDecideErasure, useErasures, type Erasure } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Card, Empty, FailedNote, Field, format, Loaded, PageHeader, TextArea, toast, useTitle } from '@/ui'
import '../cases.css'

const TONES = { open: 'waiting', granted: 'good', refused: 'info' } as const

function Request({ item }: { item: Erasure }) {
  const t = useT()
  const decide = useDecideErasure()
  const [reason, setReason] = useState('')
  const act = (grant: boolean) => decide.mutate({ id: item.id, grant, reason: reason.trim() }, { onSuccess: () => toast(t('flow:erasure.decided')) })
  return (
    <Card>
      <div className="stack">
        <div className="spread"><h3><a href={`/work/${item.case}`} className="tnum">{item.code}</a></h3><span className="row"><Badge tone={TONES[item.state]}>{t(`flow:erasure.state.${item.state}`)}</Badge><span className="small quiet">{format.dateTime(item.asked_at)}</span></span></div>
        {item.words ? <p className="log-says">{item.words}</p> : null}
        {item.state === 'open' ? (
          <>
            <Field label={t('flow:erasure.reason')} hint={t('flow:erasure.reason_hint')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
            <FailedNote error={decide.error} />
            <div className="row">
              <Button busy={decide.isPending} disabled={!reason.trim()} onClick={() => act(true)}>{t('flow:erasure.grant')}</Button>
              <Button look="secondary" busy={decide.isPending} disabled={!reason.trim()} onClick={() => act(false)}>{t('flow:erasure.refuse')}</Button>
            </div>
          </>
        ) : <p className="small">{item.reason} <span className="quiet">{item.by} · {format.dateTime(item.decided_at)}</span></p>}
      </div>
    </Card>
  )
}

/** Reporters who ask to have their data erased. */
export default function ErasuresPage() {
  const t = useT()
  useTitle(t('flow:erasure.title'))
  const list = useErasures()
  return (
    <>
      <PageHeader title={t('flow:erasure.title')} lead={t('flow:erasure.lead')} />
      <Loaded of={list}>{items => items.length === 0 ? <Empty icon={<ShieldCheck size={30} aria-hidden />} title={t('flow:erasure.none')}>{t('flow:erasure.none_body')}</Empty> : <div className="stack">{items.map(item => <Request key={item.id} item={item} />)}</div>}</Loaded>
    </>
  )
}
