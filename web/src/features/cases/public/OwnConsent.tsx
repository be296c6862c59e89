import type { OwnDetails } from '@/api'
import { useConsent } from '@/api/cases'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, FailedNote, format, toast } from '@/ui'

/** Whether those who handle the case may have the reporter's contact data: the words agreed to, and the way back. */
export function OwnConsent({ code, keyOf, own }: { code: string; keyOf: string | undefined; own: OwnDetails }) {
  const t = useT()
  const lng = useLanguage()
  const set = useConsent(code, keyOf)
  const { offered, given } = own.consent ?? {}
  const holds = given && !given.withdrawn_at
  const words = holds ? given : offered
  if (!words) return null
  return (
    <Card>
      <div className="stack">
        <h2>{t('citizen:data.consent.title')}</h2>
        <p className="said">{named(lng, words.text, words.text_en)}</p>
        {given ? <p className="small quiet">{given.withdrawn_at ? t('citizen:data.consent.off', { at: format.dateTime(given.withdrawn_at) }) : t('citizen:data.consent.on', { at: format.dateTime(given.at) })}</p> : null}
        <FailedNote error={set.error} />
        <div>
          {holds ? (
            <Button look="secondary" busy={set.isPending} onClick={() => set.mutate(undefined, { onSuccess: () => toast(t('citizen:data.consent.withdrawn')) })}>{t('citizen:data.consent.withdraw')}</Button>
          ) : (
            <Button look="secondary" busy={set.isPending} onClick={() => set.mutate(words.version, { onSuccess: () => toast(t('citizen:data.consent.agreed')) })}>{t('citizen:data.consent.agree')}</Button>
          )}
        </div>
      </div>
    </Card>
  )
}
