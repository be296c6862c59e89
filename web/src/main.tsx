import '@/ui/fonts.css'
import '@/ui/tokens.css'
import '@/ui/base.css'
import { StrictMode, type ComponentType } from 'react'
import { createRoot } from 'react-dom/client'
import { catchLinks } from '@/ui/go'
import { isCitizenPath } from './app/citizen/routes'

/** Two apps share the build: the citizen portal is kept small, the faces of staff bring the full router and widgets. */
async function start(): Promise<void> {
  const { default: App } = (isCitizenPath(location.pathname) ? await import('./app/citizen/App') : await import('./app/staff/App')) as { default: ComponentType }
  const root = document.getElementById('root')
  if (!root) return
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
  catchLinks()
}

start().catch((cause: unknown) => {
  console.error(cause)
  document.getElementById('not-started')?.removeAttribute('hidden')
})

// After an update the parts of the old version are gone: load the new version, once.
window.addEventListener('vite:preloadError', event => {
  if (sessionStorage.getItem('dothi.reloaded')) return
  sessionStorage.setItem('dothi.reloaded', '1')
  event.preventDefault()
  location.reload()
})

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  window.addEventListener('load', () => void navigator.serviceWorker.register('/sw.js').catch(() => undefined))
}
