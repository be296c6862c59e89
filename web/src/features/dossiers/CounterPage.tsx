import { Angry, Annoyed, CircleCheckBig, CloudOff, Frown, Laugh, Meh, Smile } from 'lucide-react'
import { useEffect, useState } from 'react'
import { sendTouches, tabletFace, tabletToken, touch, waitingTouches, type TabletFace } from '@/api/counter'
import { useT } from '@/i18n'
import { Empty, Loading, useTitle } from '@/ui'
import './counter.css'

const FIVE = [[5, Laugh], [4, Smile], [3, Meh], [2, Annoyed], [1, Angry]] as const
const THREE = [[5, Laugh], [3, Meh], [1, Frown]] as const
/** How long the thanks are shown. */
const THANKS = 4_000

/** The tablet at a counter: one touch, thanks, and ready for the next; what cannot be sent is sent later. */
export default function CounterPage() {
  const t = useT()
  useTitle(t('citizen:counter.title'))
  const [token] = useState(tabletToken)
  const [face, setFace] = useState<TabletFace | null>()
  const [thanked, setThanked] = useState(false)
  const [waiting, setWaiting] = useState(waitingTouches)
  useEffect(() => {
    if (!token) return setFace(null)
    let here = true
    const look = () =>
      tabletFace(token)
        .then(async found => {
          if (here) setFace(found ?? null)
          if (found) await sendTouches(token)
        })
        .catch(() => undefined)
        .finally(() => here && setWaiting(waitingTouches()))
    void look()
    const timer = setInterval(() => void look(), 60_000)
    window.addEventListener('online', look)
    return () => {
      here = false
      clearInterval(timer)
      window.removeEventListener('online', look)
    }
  }, [token])
  useEffect(() => {
    if (!thanked) return
    const timer = setTimeout(() => setThanked(false), THANKS)
    return () => clearTimeout(timer)
  }, [thanked])
  if (face === undefined) return <div className="counter"><Loading /></div>
  if (face === null || !token) return <div className="counter"><Empty level={1} title={t('citizen:counter.no_token')}>{t('citizen:counter.no_token_body')}</Empty></div>
  const pick = (level: number) => {
    touch(level)
    setThanked(true)
    setWaiting(waitingTouches())
    void sendTouches(token).catch(() => undefined).finally(() => setWaiting(waitingTouches()))
  }
  return (
    <div className="counter">
      <p className="counter-where">{face.unit} · {face.name}</p>
      <div aria-live="polite" className="counter-body">
        {thanked ? (
          <div className="counter-thanks"><CircleCheckBig size={96} aria-hidden /><h1>{t('citizen:counter.thanks')}</h1><p>{t('citizen:counter.thanks2')}</p></div>
        ) : (
          <>
            <h1>{t('citizen:counter.question')}</h1>
            <p className="counter-other">{t('citizen:counter.question2')}</p>
            <div className="counter-faces">
              {(face.faces === 3 ? THREE : FIVE).map(([level, Icon]) => (
                <button key={level} type="button" className={`face face-${level}`} onClick={() => pick(level)}>
                  <Icon strokeWidth={1.6} aria-hidden />
                  <b>{t(`citizen:counter.level.${level}`)}</b>
                  <span>{t(`citizen:counter.level2.${level}`)}</span>
                </button>
              ))}
            </div>
          </>
        )}
      </div>
      {waiting > 0 ? <p className="counter-waiting"><CloudOff size={18} aria-hidden /> {t('citizen:counter.waiting', { n: waiting })}</p> : null}
    </div>
  )
}
