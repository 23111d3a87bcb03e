# /// script
# requires-python = ">=3.9"
# dependencies = ["httpx[socks]<1", "tomli; python_version < '3.11'"]
# ///
import httpx

print(httpx.__version__)
