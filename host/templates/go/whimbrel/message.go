package whimbrel

import "unsafe"

// Message is a complete message, of text or of bytes.
type Message struct {
	text     string
	data     []byte
	isBinary bool
}

// Text makes a message of text.
func Text(text string) Message { return Message{text: text} }

// Binary makes a message of bytes.
func Binary(data []byte) Message { return Message{data: data, isBinary: true} }

// IsText tells text from bytes.
func (message Message) IsText() bool { return !message.isBinary }

// Text of a message; of a binary one its bytes as they are.
func (message Message) Text() string {
	if message.isBinary {
		return string(message.data)
	}
	return message.text
}

// Bytes of a message, not to be changed; of text its UTF-8.
func (message Message) Bytes() []byte {
	if message.isBinary {
		return message.data
	}
	return unsafe.Slice(unsafe.StringData(message.text), len(message.text))
}

func (message Message) size() int { return len(message.text) + len(message.data) }
