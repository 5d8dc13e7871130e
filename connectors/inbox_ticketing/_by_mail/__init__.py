"""Cases that are kept by mail: what `mail` and `osticket` share. No plug-in, and imports none.

A product differs in who takes our mails (`Carrier`) and in what that proves; how cases are addressed, what is
remembered of them and how answers are read is the same.
"""
