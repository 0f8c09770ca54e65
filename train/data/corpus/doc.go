// Package corpus is texts as token ids, for language models.
package corpus
