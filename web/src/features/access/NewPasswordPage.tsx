import { useState } from 'react'
import { useResetPassword } from '@/api/notify'
import { useT } from '@/i18n'
import { Button, Card, FailedNote, Field, Input, LinkButton, Note, PageHeader, useTitle } from '@/ui'

const SHORTEST = 10

/** `/password#TOKEN` from the letter: the token stays in the fragment, which browsers do not send. */
export default function NewPasswordPage() {
  const t = useT()
  useTitle(t('notify:password.title'))
  const reset = useResetPassword()
  const [word, setWord] = useState('')
  return (
    <div className="wrap page" style={{ maxWidth: '27rem' }}>
      <PageHeader title={t('notify:password.title')} lead={t('notify:password.lead')} />
      <Card>
        {reset.isSuccess ? (
          <div className="stack"><Note tone="good">{t('notify:password.done')}</Note><LinkButton href="/sign-in">{t('nav.sign_in')}</LinkButton></div>
        ) : (
          <form className="stack" onSubmit={event => (event.preventDefault(), reset.mutate({ token: decodeURIComponent(location.hash.slice(1)), new: word }))}>
            <Field label={t('notify:password.new')} hint={t('access.password_hint', { n: SHORTEST })}>{ids => <Input {...ids} required type="password" autoComplete="new-password" minLength={SHORTEST} maxLength={200} value={word} onChange={e => setWord(e.target.value)} />}</Field>
            <FailedNote error={reset.error} />
            <Button type="submit" size="big" busy={reset.isPending}>{t('notify:password.save')}</Button>
          </form>
        )}
      </Card>
    </div>
  )
}
