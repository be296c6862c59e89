/** A screen without a keyboard: comes with a link, shows the boards it was made for, and goes on by itself. */
import { MonitorX } from 'lucide-react'
import { useEffect, useState } from 'react'
import { ApiError, useMe } from '@/api'
import { useEnterWall, useWall } from '@/api/boards'
import { useT } from '@/i18n'
import { Empty, Loading, useTitle } from '@/ui'
import { WallView } from './WallView'

export default function WallPage() {
  const t = useT()
  useTitle(t('boards:wall.title'))
  const me = useMe()
  const enter = useEnterWall()
  // What the link carries never stays in the address, where a photo of the screen or a history would show it.
  const [secret] = useState(() => decodeURIComponent(location.hash.replace(/^#/, '')))
  const [entered, setEntered] = useState(secret === '')
  useEffect(() => {
    if (!secret) return
    history.replaceState(history.state, '', location.pathname + location.search)
    enter.mutate(secret, { onSettled: () => setEntered(true) })
    // Once, with what the page was opened with.
  }, [secret])
  const signedIn = me.data?.kind === 'staff' || me.data?.kind === 'citizen'
  const wall = useWall(entered && !signedIn)
  if (signedIn) return <Empty icon={<MonitorX size={30} aria-hidden />} title={t('boards:wall.signed_in')}>{t('boards:wall.signed_in_body')}</Empty>
  const gone = wall.error instanceof ApiError && !wall.error.offline && wall.error.status < 500
  if (wall.data && wall.data.boards.length > 0) return <WallView boards={wall.data.boards} seconds={wall.data.seconds} ended={gone} />
  if (gone || enter.error) return <Empty icon={<MonitorX size={30} aria-hidden />} title={t('boards:wall.ended')}>{t('boards:wall.ended_body')}</Empty>
  return <Loading rows={4} height="8rem" />
}
