import { Download, Printer } from 'lucide-react'
import { useState } from 'react'
import { ownPaper } from '@/api/cases'
import { useAskErasure, useHeldData, type HeldData } from '@/api/flow'
import { useLanguage, useT } from '@/i18n'
import { Button, Card, FailedNote, Field, LinkButton, Note, TextArea, toast } from '@/ui'

/** What is held about who reported: to take away, and to have erased. */
export function MyData({ code, keyOf }: { code: string; keyOf: string | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const held = useHeldData(code)
  const ask = useAskErasure(code)
  const [words, setWords] = useState('')
  const known: HeldData | undefined = ask.data ?? held.data
  function download(): void {
    held.mutate(keyOf, {
      onSuccess: data => {
        const link = document.createElement('a')
        link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }))
        link.download = `${code}.json`
        link.click()
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
      },
    })
  }
  return (
    <Card>
      <div className="stack">
        <h2>{t('citizen:data.title')}</h2>
        <p className="small quiet">{t('citizen:data.lead')}</p>
        <div className="row">
          <LinkButton look="secondary" href={ownPaper(code, keyOf, lng)} download icon={<Printer size={18} aria-hidden />}>{t('citizen:data.paper')}</LinkButton>
          <Button look="secondary" busy={held.isPending} icon={<Download size={18} aria-hidden />} onClick={download}>{t('citizen:data.download')}</Button>
        </div>
        <FailedNote error={held.error ?? ask.error} />
        {known?.retention ? <p className="small quiet">{t('citizen:data.retention', { days: known.retention.anonymise_after_days, media: known.retention.media_after_days, act: known.retention.source_act })}</p> : null}
        {known?.erasure ? <Note tone={known.erasure === 'granted' ? 'good' : 'waiting'}>{t(`citizen:data.erasure.${known.erasure}`)} {known.erasure_reason}</Note> : null}
        {known && known.erasure !== 'open' && known.erasure !== 'granted' ? (
          <form className="stack" onSubmit={event => (event.preventDefault(), ask.mutate({ ...(keyOf ? { key: keyOf } : {}), words: words.trim() }, { onSuccess: () => toast(t('citizen:data.asked')) }))}>
            <Field label={t('citizen:data.why')}>{ids => <TextArea {...ids} rows={2} maxLength={1000} value={words} onChange={e => setWords(e.target.value)} />}</Field>
            <div><Button type="submit" look="secondary" busy={ask.isPending}>{t('citizen:data.ask')}</Button></div>
          </form>
        ) : null}
      </div>
    </Card>
  )
}
