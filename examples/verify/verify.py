"""Whether a request came through the gateway within the last five minutes, and its method, host and target have not been changed since."""
import hashlib, hmac, re, time


def came_through_gateway(method, target, headers, secret_hex, now=None):
    found = re.fullmatch(r"t=([0-9]{1,12}),k=[a-z0-9-]+,v1=([0-9a-f]{64})", headers.get("x-l402-signature", ""))
    if found is None or len(secret_hex) < 64 or abs((now or time.time()) - int(found[1])) > 300:
        return False
    text = "\n".join(["l402-edge v1", found[1], method, headers.get("x-forwarded-host", ""), target, headers.get("x-l402-claim", "")])
    expected = hmac.new(bytes.fromhex(secret_hex), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(found[2], expected)
