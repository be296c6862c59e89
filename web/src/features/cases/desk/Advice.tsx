import { Lightbulb } from 'lucide-react'
import { useAdvice, useCaseTypes, type Case } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Card, format } from '@/ui'

/** What the words of a case point at, and cases that may be the same. It suggests; the officer decides. */
export function AdviceCard({ item }: { item: Case }) {
  const t = useT()
  const lng = useLanguage()
  const type = useCaseTypes().data?.find(one => one.kind === item.kind)
  const advice = useAdvice(item.id).data
  if (!advice || item.phase === 'solved' || item.phase === 'unsolved' || (advice.categories.length === 0 && advice.similar.length === 0)) return null
  const name = (code: string) => { const c = type?.categories.find(one => one.code === code); return c ? named(lng, c.name, c.name_en) : code }
  const urgency = type?.urgencies.find(u => u.code === advice.urgency?.code)
  return (
    <Card tight>
      <div className="stack-s">
        <h3 className="row"><Lightbulb size={18} aria-hidden /> {t('work:advice.title')}</h3>
        {advice.categories.length > 0 ? (
          <ul className="plain-list stack-s">
            {advice.categories.map((guess, i) => (
              <li key={guess.code} className="spread small">
                <span className={i === 0 ? 'strong' : undefined}>{name(guess.code)} {guess.code === item.category ? <Badge tone="good">{t('work:advice.chosen')}</Badge> : i === 0 && advice.sure ? <Badge tone="high">{t('work:advice.sure')}</Badge> : null}</span>
                <span className="tnum quiet">{format.percent(guess.p)}</span>
              </li>
            ))}
            {urgency && advice.urgency ? <li className="spread small"><span>{t('work:move.urgency')}: {named(lng, urgency.name, urgency.name_en)}</span><span className="tnum quiet">{format.percent(advice.urgency.p)}</span></li> : null}
          </ul>
        ) : null}
        {advice.similar.length > 0 ? (
          <>
            <h4>{t('work:advice.similar')}</h4>
            <ul className="plain-list stack-s">
              {advice.similar.map(other => (
                <li key={other.id} className="small">
                  <a href={`/work/${other.id}`}>{other.text_short || other.code}</a>
                  <div className="quiet tnum">{[other.code, t('work:advice.away', { n: other.metres }), t('work:advice.alike', { share: format.percent(other.likeness) }), format.ago(other.opened_at)].join(' · ')}</div>
                </li>
              ))}
            </ul>
          </>
        ) : null}
      </div>
    </Card>
  )
}
