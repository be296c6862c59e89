import { Languages, Moon, Sun } from 'lucide-react'
import { setLanguage, useLanguage, useT } from '@/i18n'
import { Button } from './controls'
import { chooseTheme, useTheme } from './theme'

export function LanguageSwitch() {
  const t = useT()
  const lng = useLanguage()
  return (
    <Button look="quiet" className="switch" icon={<Languages size={18} aria-hidden />} lang={lng === 'vi' ? 'en' : 'vi'} aria-label={`${lng === 'vi' ? 'EN' : 'VI'}: ${t('ui.switch_language')}`} onClick={() => void setLanguage(lng === 'vi' ? 'en' : 'vi')}>
      {lng === 'vi' ? 'EN' : 'VI'}
    </Button>
  )
}

export function ThemeSwitch() {
  const t = useT()
  const theme = useTheme()
  return (
    <Button look="quiet" iconOnly className="switch" icon={theme === 'dark' ? <Sun size={19} aria-hidden /> : <Moon size={19} aria-hidden />} onClick={() => chooseTheme(theme === 'dark' ? 'light' : 'dark')}>
      {theme === 'dark' ? t('ui.light') : t('ui.dark')}
    </Button>
  )
}
