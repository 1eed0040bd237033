pub(crate) use jobs::now_ms;
