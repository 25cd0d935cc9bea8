import js from '@eslint/js'
import hooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

// Imports only go app -> features -> shared and client; see CONTRIBUTING.md.
const forbid = (files, group, message) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns: [{ group, message }] }] },
})

export default tseslint.config(
  { ignores: ['dist', 'node_modules'] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js', 'scripts/*.js'] }, tsconfigRootDir: import.meta.dirname } } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
  {
    files: ['**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'max-lines': ['error', 400],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/app/**/*.tsx', 'src/features/**/*.tsx', 'src/shared/**/*.tsx'],
    rules: {
      'no-restricted-syntax': ['error',
        { selector: 'JSXText[value=/\\p{L}{2}/u]', message: 'Texts for people are in texts.ts.' },
        { selector: 'JSXAttribute[name.name=/^(title|placeholder|alt|label|aria-label)$/] > Literal[value=/\\p{L}{2}/u]', message: 'Texts for people are in texts.ts.' },
        { selector: ':matches(JSXElement, JSXFragment) > JSXExpressionContainer > Literal[value=/\\p{L}{2}/u]', message: 'Texts for people are in texts.ts.' },
        { selector: ':matches(JSXElement, JSXFragment) > JSXExpressionContainer > TemplateLiteral > TemplateElement[value.raw=/\\p{L}{2}/u]', message: 'Texts for people are in texts.ts.' }],
    },
  },
  forbid(['src/client/**'], ['react', 'react-dom', '**/app/**', '**/features/**', '**/shared/**'], 'The client is free of frameworks.'),
  forbid(['src/diagnostics/**', 'src/standalone/**'], ['react', 'react-dom', '**/app/**', '**/features/**', '**/shared/**', '**/client/**'], 'The diagnosis is free of frameworks and of the application.'),
  forbid(['src/shared/**'], ['**/app/**', '**/features/**'], 'shared knows no features.'),
  forbid(['src/features/**'], ['**/app/**', '../../features/**', '../chat/**', '../status/**'], 'Features do not know each other.'),
)
