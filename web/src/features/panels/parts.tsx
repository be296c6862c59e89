import { ShieldCheck, ShieldQuestion } from 'lucide-react'
import { usePanelCatalogue, type PanelKind, type PanelPath, type PanelSignal } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, format } from '@/ui'

/** Names of kinds in the language of the moment. */
export function useKinds(): { name: (code: string) => string; of: (code: string) => PanelKind | undefined } {
  const lng = useLanguage()
  const catalogue = usePanelCatalogue()
  const of = (code: string) => catalogue.data?.kinds.find(k => k.code === code)
  return { of, name: code => { const kind = of(code); return kind ? named(lng, kind.name, kind.name_en) : code } }
}

/** Where in the premises: the detector by name, else by number; a lost path by its own name. */
export function useWhere(): (signal: Pick<PanelSignal, 'zone' | 'zone_name' | 'area' | 'kind'>) => string {
  const t = useT()
  return signal => {
    if (signal.kind === 'path-loss') return t(`panels:path.${signal.zone === 'backup' ? 'backup' : 'primary'}`)
    if (signal.zone_name) return signal.zone_name
    return [signal.area ? t('panels:area_n', { n: signal.area }) : '', signal.zone ? t('panels:zone_n', { n: signal.zone }) : ''].filter(Boolean).join(' · ')
  }
}

export function Confirmed({ signal }: { signal: PanelSignal }) {
  const t = useT()
  if (signal.class !== 'alarm') return null
  if (signal.verdict) return <Badge tone={signal.verdict === 'real' ? 'critical' : 'info'}>{t(`panels:verdict.${signal.verdict}`)}</Badge>
  return signal.confirmed_at ? (
    <Badge tone="critical" icon={<ShieldCheck size={15} aria-hidden />}>{t('panels:confirmed')}</Badge>
  ) : (
    <Badge tone="info" icon={<ShieldQuestion size={15} aria-hidden />}>{t('panels:unconfirmed')}</Badge>
  )
}

export function PathBadge({ path, now }: { path: PanelPath; now: number }) {
  const t = useT()
  const state = path.lost_at ? 'lost' : path.seen_at ? 'alive' : 'never'
  const tone = state === 'lost' ? 'high' : state === 'alive' ? 'good' : 'info'
  return <Badge tone={tone}>{t(`panels:path.${path.path === 'backup' ? 'backup' : 'primary'}`)}: {t(`panels:path.${state}`)}{path.seen_at ? ` · ${format.ago(path.seen_at, now)}` : ''}</Badge>
}
