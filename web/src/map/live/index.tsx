/** The operations map, apart from the plain one so that the portal carries nothing of it. Loaded when first drawn. */
import { lazy, Suspense } from 'react'
import { useT } from '@/i18n'
import { Fence } from '@/ui'
import type { LiveMapProps } from './types'

export type { LiveMapProps } from './types'

const Live = lazy(() => import('./LiveMap'))

/** Layers of the packs with live values, the past, and drawing to select. */
export function LiveMap(props: LiveMapProps) {
  const t = useT()
  return (
    <Fence>
      <Suspense fallback={<div className="map-waiting" role="status">{t('map.loading')}</div>}>
        <Live {...props} />
      </Suspense>
    </Fence>
  )
}
