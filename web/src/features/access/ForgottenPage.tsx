import { useState } from 'react'
import { useAskPassword } from '@/api/notify'
import { useT } from '@/i18n'
import { Button, Card, FailedNote, Field, Input, Note, PageHeader, useTitle } from '@/ui'

/** Asks for the letter that sets a new password. The answer says nothing about whether there is such an account. */
export default function ForgottenPage() {
  const t = useT()
  useTitle(t('notify:forgotten.title'))
  const ask = useAskPassword()
  const [login, setLogin] = useState('')
  return (
    <div className="wrap page" style={{ maxWidth: '27rem' }}>
      <PageHeader title={t('notify:forgotten.title')} lead={t('notify:forgotten.lead')} />
      <Card>
        {ask.isSuccess ? <Note tone="good">{t('notify:forgotten.done')}</Note> : (
          <form className="stack" onSubmit={event => (event.preventDefault(), ask.mutate(login.trim()))}>
            <Field label={t('access.login')}>{ids => <Input {...ids} required autoComplete="username" autoCapitalize="none" maxLength={120} value={login} onChange={e => setLogin(e.target.value)} />}</Field>
            <FailedNote error={ask.error} />
            <Button type="submit" size="big" busy={ask.isPending}>{t('notify:forgotten.send')}</Button>
          </form>
        )}
      </Card>
    </div>
  )
}
